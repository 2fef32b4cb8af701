"""The results of a search, read from OpenSearch's responses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from pydantic import Field

from rag_core.index.fusion import fused
from rag_core.models import Frozen
from rag_core.text.words import words as content_words


class Hit(Frozen):
    """One chunk as found; ranks begin at 1."""

    chunk_id: str
    document_id: str
    ordinal: int
    title: str
    text: str
    page_start: int
    page_end: int
    page_marks: tuple[tuple[int, int], ...]
    score: float
    similarity: float | None
    bm25_score: float | None
    bm25_rank: int | None
    vector_rank: int | None


class Findings(Frozen):
    """The results of one search: chunks, best first, chunk counts by word, and likely document names."""

    hits: tuple[Hit, ...]
    words: dict[str, int]
    names: dict[str, str] = Field(default_factory=dict)  # documents whose name shares words with the question


def findings(
    question: str,
    legs: Sequence[dict[str, Any]],
    *,
    most: int,
    words: dict[str, int],
    names: dict[str, str],
) -> Findings:
    """Combine the responses of the legs: by words, by identifiers, by meaning; {} if not asked.

    `most` is the number of chunks requested from each leg.
    """
    lexical, exact, near = (_found(leg) for leg in legs)
    sources = {hit["_id"]: hit["_source"] for leg in (lexical, exact, near) for hit in leg}
    by_words, by_identifiers, by_place = (
        [(hit["_id"], float(hit["_score"])) for hit in leg] for leg in (lexical, exact, near)
    )
    # The Lucene engine scores cosine as (1 + cos) / 2.
    by_meaning = [(found, 2 * score - 1) for found, score in by_place]
    says_all = bool(lexical) and _says_all(lexical[0]["_source"], question)
    scores = fused(by_words, by_identifiers, by_meaning, most=most, says_all=says_all)
    ranks = {found: (rank, score) for rank, (found, score) in enumerate(by_words, 1)}
    cosines = {found: (rank, cosine) for rank, (found, cosine) in enumerate(by_meaning, 1)}
    return Findings(
        hits=tuple(
            _hit(found, sources[found], score, ranks.get(found), cosines.get(found))
            for found, score in scores.items()
        ),
        words=words,
        names=names,
    )


def _says_all(source: dict[str, Any], question: str) -> bool:
    """Whether a chunk holds every content word of a question of several."""
    asked = content_words(question)
    return len(asked) > 1 and asked <= content_words(f"{source['title']} {source['text']}")


def led(first: Sequence[Hit], others: Sequence[Hit], *, certain: bool) -> tuple[Hit, ...]:
    """Put hits of documents that a question names first; alternate with others unless it is `certain`."""
    if certain:
        order = [*first, *others]
    else:
        turns = zip_longest(others, first)
        order = [hit for pair in turns for hit in pair if hit is not None]
    judged = {hit.chunk_id: hit for hit in [*first, *others]}  # the entry with its ranks in the whole search
    return tuple(judged[chunk] for chunk in dict.fromkeys(hit.chunk_id for hit in order))


def counted(response: dict[str, Any]) -> dict[str, int]:
    """Return how many chunks contain each requested word."""
    buckets = response.get("aggregations", {}).get("words", {}).get("buckets", {})
    return {word: int(bucket["doc_count"]) for word, bucket in buckets.items()}


def called(response: dict[str, Any]) -> dict[str, str]:
    """Return documents' names by id, best first."""
    return {hit["_source"]["document_id"]: hit["_source"]["name"] for hit in _found(response)}


def in_order(response: dict[str, Any]) -> list[Hit]:
    """Return chunks in document order, without search ranks."""
    return [_hit(hit["_id"], hit["_source"], 0.0, None, None) for hit in _found(response)]


def _found(response: dict[str, Any]) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = response["hits"]["hits"] if response else []
    return hits


def _hit(
    chunk_id: str,
    source: dict[str, Any],
    score: float,
    words: tuple[int, float] | None,
    near: tuple[int, float] | None,
) -> Hit:
    return Hit(
        chunk_id=chunk_id,
        document_id=source["document_id"],
        ordinal=source["ordinal"],
        title=source["title"],
        text=source["text"],
        page_start=source["page_start"],
        page_end=source["page_end"],
        page_marks=tuple((int(a), int(b)) for a, b in source["page_marks"]["marks"]),
        score=score,
        similarity=near[1] if near else None,
        bm25_score=words[1] if words else None,
        bm25_rank=words[0] if words else None,
        vector_rank=near[0] if near else None,
    )
