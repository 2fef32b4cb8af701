"""A question to passages: hybrid search, hidden documents left out, neighbours merged, repeats collapsed."""

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

# Chunks that each search is asked for: enough that hidden ones and repeats leave plenty, and that most of
# what one search puts first has a score in the others.
_CANDIDATES = 60
# Searches of one question while documents change under it.
_TRIES = 4
_MAX_MERGED = 3
# The best hits, among which neighbours become one passage. A later one would only push better ones down.
_JOINED = 5
_QUERY_PIECES = 256
_ALL = 1_000_000
# Signs around a word that say nothing; not those of a number ("-5", "5 %").
_AROUND = ".,;:!?\"'`*_()[]{}<>\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
# Characters that chunks may share.
_MOST_SHARED = 400
_LEAST_SHARED = 20


@dataclass(slots=True)
class Group:
    """Chunks of one document that follow each other, best rank first come."""

    hits: list[Hit] = field(default_factory=list)

    def takes(self, hit: Hit) -> bool:
        """Whether the chunk is just before or after them."""
        return self.follows(Group([hit]))

    def follows(self, other: Group) -> bool:
        """Whether the two are one run of chunks, and no longer than a passage may be."""
        mine, others = ([hit.ordinal for hit in group.hits] for group in (self, other))
        return (
            len(mine) + len(others) <= _MAX_MERGED
            and self.hits[0].document_id == other.hits[0].document_id
            and (max(others) == min(mine) - 1 or min(others) == max(mine) + 1)
        )


class Found(Frozen):
    """Passages, best first, and in how many chunks each telling word of the question is."""

    passages: tuple[Passage, ...] = ()
    words: dict[str, int] = Field(default_factory=dict)
    by_meaning: bool = True  # False when the embedder was away
    remark: str = ""  # why a remote embedder gave no vector
    embed_seconds: float = 0.0
    search_seconds: float = 0.0


class Retriever:
    """Finds passages in the documents that people may see now; the ledger knows which."""

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
        documents: Collection[str] | None = None,
        filters: Filters | None = None,
    ) -> list[Passage]:
        """The best passages, best first; an index without documents gives none."""
        if documents is not None:
            filters = (filters or Filters()).model_copy(update={"documents": tuple(documents)})
        return list(self.find(query, top_k, filters=filters).passages)

    def find(
        self,
        query: str,
        top_k: int | None = None,
        *,
        filters: Filters | None = None,
        timeout: float | None = None,
    ) -> Found:
        """The best passages, and which of the question's words the documents hold at all.

        An embedder that is silent for `timeout` seconds (or for its own limit) is done without.
        """
        query = self.checked(query)
        if self._index.stored_contract() is None:
            return Found()
        try:
            return self._found(query, top_k or self._top_k, filters, timeout)
        except OpenSearchRefused:
            # Another index may have taken this one's place since its contract was read.
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
        """What the index holds and which of it people may see, without a change between the two.

        A search before a document's new version came, shown by a ledger that has switched to it already,
        would have neither version.
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
        """What the index holds, led by the documents that the question names."""
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
        """Another value whenever the same question might find something else."""
        contract = self._index.stored_contract()
        return f"{self._ledger.generation()} {contract.model_dump_json() if contract else ''}"

    def _matching(self, filters: Filters) -> list[str]:
        """The documents that meet the filters."""
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
        """The question's vector; None when the embedder is away: words alone still find much."""
        stored = self._index.stored_contract()
        if stored is None:
            return None, ""
        text = tokens.cut(tokens.broken(query), _QUERY_PIECES)
        try:
            # The index's own model, not the settings': they differ while a new index is made.
            with self._ledger.asking(), self._embedder.within(timeout) as embedder:
                self._index.demand(embedder.contract(stored.model))
                return embedder.embed([text], model=stored.model)[0], ""
        except RemoteUnavailable as error:
            return None, error.message
        except (ModelUnavailable, ModelRefused, ModelMissing, ContractMismatch):
            return None, ""

    def close(self) -> None:
        """Close the connections."""
        self._index.close()
        self._embedder.close()

    def checked(self, query: str) -> str:
        """The query as it is searched; raises QuestionRefused."""
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
    """Hits whose text a better one has word for word are left out; which documents had it, by its chunk.

    A single word makes another statement: a name, a number, a "not".
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
    """Headings and text by their words in their order; only case, blanks and signs around words differ."""
    text = unicodedata.normalize("NFKC", f"{hit.title}\n{hit.text}").casefold()
    return " ".join(bare for word in text.split() if (bare := word.strip(_AROUND) or word))


def grouped(hits: list[Hit], top_k: int) -> list[Group]:
    """The best hits as `top_k` passages at most; neighbours among the very best become one."""
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
    """Two groups between which a later hit has closed the gap become one, in the better one's place."""
    for other in groups:
        if other is not grown and other.follows(grown):
            better, worse = sorted((other, grown), key=groups.index)
            better.hits += worse.hits
            groups.remove(worse)
            return


def _overlap(before: str, after: str) -> int:
    """How much of a chunk's beginning its neighbour said already: text without a boundary is cut so."""
    most = min(len(before), len(after), _MOST_SHARED)
    return next((n for n in range(most, _LEAST_SHARED, -1) if before.endswith(after[:n])), 0)


def passage(
    group: Group, names: Mapping[str, str], copies: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Passage:
    """The group's chunks as one text; `copies` are the documents that hold a chunk word for word."""
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
