"""Question to passages: hybrid search without hidden documents, neighbours merged, repeats collapsed."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import Field

from rag_core.errors import (
    ContractMismatch,
    ModelMissing,
    ModelRefused,
    ModelUnavailable,
    OpenSearchRefused,
    QuestionRefused,
    RemoteMissing,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.index import hits
from rag_core.index.embed import Embedder
from rag_core.index.hits import Findings, Hit
from rag_core.index.reader import IndexReader
from rag_core.ledger import Ledger
from rag_core.ledger.tags import Tags, spelled
from rag_core.models import DocumentState, Filters, Frozen, Passage
from rag_core.retrieval import naming, relevance
from rag_core.text import tokens

# Chunks requested from each search: enough that plenty are left without hidden ones and repeats, and that
# most top hits of one search also have a score in the others.
_CANDIDATES = 60
# Most searches for one question if documents change meanwhile.
_TRIES = 4
_MAX_MERGED = 3
# Neighbours are merged into one passage among these best hits. A later one would only displace better hits.
_JOINED = 5
_QUERY_PIECES = 256
_ALL = 1_000_000
# Meaningless symbols around a word; not those of a number ("-5", "5 %").
_AROUND = ".,;:!?\"'`*_()[]{}<>\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
# Most characters that adjacent chunks may share.
_MOST_SHARED = 400
_LEAST_SHARED = 20


@dataclass(slots=True)
class Group:
    """Adjacent chunks of one document; the best hit comes first."""

    hits: list[Hit] = field(default_factory=list)

    def takes(self, hit: Hit) -> bool:
        """Whether the chunk is directly before or after them."""
        return self.follows(Group([hit]))

    def follows(self, other: Group) -> bool:
        """Whether the two are adjacent, and together no longer than a passage may be."""
        mine, others = ([hit.ordinal for hit in group.hits] for group in (self, other))
        return (
            len(mine) + len(others) <= _MAX_MERGED
            and self.hits[0].document_id == other.hits[0].document_id
            and (max(others) == min(mine) - 1 or min(others) == max(mine) + 1)
        )


class Found(Frozen):
    """Passages, best first, and the number of chunks that contain each telling word of the question."""

    passages: tuple[Passage, ...] = ()
    words: dict[str, int] = Field(default_factory=dict)
    by_meaning: bool = True  # False when the embedder was down
    remark: str = ""  # why a remote embedder returned no vector
    embed_seconds: float = 0.0
    search_seconds: float = 0.0


class Retriever:
    """Finds passages in the documents that are visible now, according to the ledger."""

    def __init__(
        self,
        *,
        index: IndexReader,
        embedder: Embedder,
        ledger: Ledger,
        tags: Tags,
        top_k: int,
        max_chars: int,
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._ledger = ledger
        self._tags = tags
        self._top_k = top_k
        self._max_chars = max_chars

    def search(
        self,
        query: str,
        top_k: int | None = None,
        *,
        filters: Filters | None = None,
    ) -> list[Passage]:
        """Return the best passages, best first; none if there is no document."""
        return list(self.find(query, top_k, filters=filters).passages)

    def find(
        self,
        query: str,
        top_k: int | None = None,
        *,
        filters: Filters | None = None,
        timeout: float | None = None,
    ) -> Found:
        """Return the best passages, and which of the question's words the documents contain at all.

        If the embedder does not answer within `timeout` seconds (or its own limit), only words are searched.
        """
        query = self.checked(query)
        if self._index.stored_contract() is None:
            return Found()
        try:
            return self._found(query, top_k or self._top_k, filters, timeout)
        except OpenSearchRefused:
            # Another index may have replaced this one since its contract was read.
            self._index.forget()
            return self._found(query, top_k or self._top_k, filters, timeout)

    def _found(self, query: str, top_k: int, filters: Filters | None, timeout: float | None) -> Found:
        began = time.monotonic()
        vector, remark = self._vector(query, timeout)
        embedded = time.monotonic()
        found, names = self._of_one_moment(query, vector, max(_CANDIDATES, 2 * top_k), filters)
        shown, copies = without_repeats([hit for hit in found.hits if hit.document_id in names])
        groups = grouped(shown, top_k)
        return Found(
            passages=tuple(passage(group, names, copies) for group in groups),
            words=found.words,
            by_meaning=vector is not None,
            remark=remark,
            embed_seconds=embedded - began,
            search_seconds=time.monotonic() - embedded,
        )

    def _of_one_moment(
        self, query: str, vector: list[float] | None, size: int, filters: Filters | None
    ) -> tuple[Findings, dict[str, str]]:
        """Return search results and the visible documents, without a change between the two queries.

        A search from before a document's new version was indexed, filtered by a ledger that has already
        switched to it, would show neither version.
        """
        for _ in range(_TRIES):
            generation = self._ledger.generation()
            only = self._matching(filters) if filters is not None and filters.given else None
            if only == []:
                return Findings(hits=(), words={}), {}
            found = self._led(query, vector, size, only)
            names = self._ledger.visible({hit.document_id for hit in found.hits})
            if self._ledger.generation() == generation:
                break
        return found, names

    def _led(
        self, query: str, vector: list[float] | None, size: int, only: Collection[str] | None
    ) -> Findings:
        """Return the search results, with documents that the question names first."""
        found = self._index.search(query, vector, size=size, only=only, words=relevance.telling(query))
        called = naming.naming(query, found.names)
        meant = called.certain or called.likely
        if not meant:
            return found
        if called.whole:
            first: Sequence[Hit] = self._index.beginning(meant, size=size)
        else:
            first = self._index.search(called.rest, vector, size=size, only=meant).hits
        return found.model_copy(update={"hits": hits.led(first, found.hits, certain=bool(called.certain))})

    def generation(self) -> str:
        """Return a value that changes whenever the same question might find something else."""
        contract = self._index.stored_contract()
        return f"{self._ledger.generation()} {contract.model_dump_json() if contract else ''}"

    def _matching(self, filters: Filters) -> list[str]:
        """Return the documents that match the filters."""
        ready = self._ledger.list(states=(DocumentState.READY,), limit=_ALL)
        documents = None if filters.documents is None else set(filters.documents)
        asked = {spelled(tag) for tag in filters.tags}
        tagged = self._tags.of([one.id for one in ready]) if asked else {}
        return [
            one.id
            for one in ready
            if asked <= set(tagged.get(one.id, ()))
            and (documents is None or one.id in documents)
            and (not filters.kinds or one.kind in filters.kinds)
            and (filters.added_from is None or one.created_at >= filters.added_from)
            and (filters.added_to is None or one.created_at < filters.added_to)
        ]

    def _vector(self, query: str, timeout: float | None) -> tuple[list[float] | None, str]:
        """Return the question's vector; None when the embedder is down, as words alone still find much."""
        stored = self._index.stored_contract()
        if stored is None:
            return None, ""
        text = tokens.cut(tokens.broken(query), _QUERY_PIECES)
        try:
            # Use the index's model, not that of the settings: they differ while a new index is built.
            with self._ledger.asking(), self._embedder.within(timeout) as embedder:
                self._index.demand(embedder.contract(stored.model))
                return embedder.embed([text], model=stored.model)[0], ""
        except (RemoteUnavailable, RemoteRefused, RemoteMissing) as error:
            return None, error.message
        except (ModelUnavailable, ModelRefused, ModelMissing, ContractMismatch):
            return None, ""

    def close(self) -> None:
        """Close the connections."""
        self._index.close()
        self._embedder.close()

    def checked(self, query: str) -> str:
        """Check and normalise the query; raises QuestionRefused."""
        query = re.sub(r"\s+", " ", query.encode("utf-8", "replace").decode()).strip()
        if not query:
            raise QuestionRefused("the question is empty; write what you want to know", code="question_empty")
        if len(query) > self._max_chars:
            raise QuestionRefused(
                f"the question has {len(query)} characters, over the {self._max_chars} allowed; shorten it",
                code="question_too_long",
            )
        return query


def without_repeats(hits: Sequence[Hit]) -> tuple[list[Hit], dict[str, tuple[str, ...]]]:
    """Drop hits whose text a better hit has word for word; also return the other documents, by its chunk.

    Texts that differ in a single word are kept: it may be a name, a number, a "not".
    """
    kept: dict[str, Hit] = {}
    copies: dict[str, list[str]] = {}
    for hit in hits:
        best = kept.setdefault(_wording(hit), hit)
        held = copies.setdefault(best.chunk_id, [])
        if hit.document_id not in (best.document_id, *held):
            held.append(hit.document_id)
    return list(kept.values()), {chunk: tuple(held) for chunk, held in copies.items() if held}


def _wording(hit: Hit) -> str:
    """Normalise headings and text to compare wording: ignores case, blanks and symbols around words."""
    text = unicodedata.normalize("NFKC", f"{hit.title}\n{hit.text}").casefold()
    return " ".join(bare for word in text.split() if (bare := word.strip(_AROUND) or word))


def grouped(hits: list[Hit], top_k: int) -> list[Group]:
    """Group the best hits into at most `top_k` passages; neighbours among the very best are merged."""
    groups: list[Group] = []
    for place, hit in enumerate(hits[: top_k + _JOINED]):
        home = next((group for group in groups if group.takes(hit)), None)
        if home is not None and place < _JOINED:
            home.hits.append(hit)
            _join(groups, home)
        elif len(groups) < top_k:
            groups.append(Group([hit]))
    return groups


def _join(groups: list[Group], grown: Group) -> None:
    """Merge two groups between which a later hit has closed the gap, at the better one's rank."""
    for other in groups:
        if other is not grown and other.follows(grown):
            better, worse = sorted((other, grown), key=groups.index)
            better.hits += worse.hits
            groups.remove(worse)
            return


def _overlap(before: str, after: str) -> int:
    """Return how much of a chunk's beginning repeats its neighbour, as in text without boundaries."""
    most = min(len(before), len(after), _MOST_SHARED)
    return next((n for n in range(most, _LEAST_SHARED, -1) if before.endswith(after[:n])), 0)


def passage(
    group: Group, names: Mapping[str, str], copies: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Passage:
    """Join the group's chunks; `copies` are the documents that contain a chunk word for word."""
    best = group.hits[0]
    text = ""
    marks: list[tuple[int, int]] = []
    for hit in sorted(group.hits, key=lambda h: h.ordinal):
        shared = _overlap(text, hit.text)
        if text and not shared:
            text += "\n"
        start = len(text) - shared
        marks += [
            (max(len(text), start + offset), page)
            for offset, page in hit.page_marks
            if not marks or page != marks[-1][1]
        ]
        text += hit.text[shared:]
    similarities = [hit.similarity for hit in group.hits if hit.similarity is not None]
    return Passage(
        document_id=best.document_id,
        document=names[best.document_id],
        title=best.title,
        page_start=min(hit.page_start for hit in group.hits),
        page_end=max(hit.page_end for hit in group.hits),
        text=text,
        score=best.score,
        similarity=max(similarities, default=None),
        bm25_score=max((h.bm25_score for h in group.hits if h.bm25_score is not None), default=None),
        bm25_rank=min((h.bm25_rank for h in group.hits if h.bm25_rank), default=None),
        vector_rank=min((h.vector_rank for h in group.hits if h.vector_rank), default=None),
        page_marks=tuple(marks),
        also_in=tuple(
            dict.fromkeys(names[one] for hit in group.hits for one in copies.get(hit.chunk_id, ()))
        ),
    )
