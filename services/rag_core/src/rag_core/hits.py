"""What a search of the index gave, read from OpenSearch's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag_core.models import Frozen


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
    """What one search gave: chunks, best first, and in how many chunks each asked word stands."""

    hits: tuple[Hit, ...]
    words: dict[str, int]


def findings(responses: Sequence[dict[str, Any]], *, vectors: bool) -> Findings:
    """From the answers of one _msearch: fused, words alone, with `vectors` vectors alone, words counted."""
    best = _found(responses[0])
    lexical = _found(responses[1])
    near = _found(responses[2]) if vectors else []
    counted = responses[-1].get("aggregations", {}).get("words", {}).get("buckets", {})
    words = {hit["_id"]: (rank, float(hit["_score"])) for rank, hit in enumerate(lexical, 1)}
    # The lucene engine scores cosine as (1 + cos) / 2.
    cosines = {hit["_id"]: (rank, 2 * float(hit["_score"]) - 1) for rank, hit in enumerate(near, 1)}
    return Findings(
        hits=tuple(_hit(hit, words.get(hit["_id"]), cosines.get(hit["_id"])) for hit in best),
        words={word: int(bucket["doc_count"]) for word, bucket in counted.items()},
    )


def _found(response: dict[str, Any]) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = response["hits"]["hits"]
    return hits


def _hit(hit: dict[str, Any], words: tuple[int, float] | None, near: tuple[int, float] | None) -> Hit:
    source = hit["_source"]
    return Hit(
        chunk_id=hit["_id"],
        document_id=source["document_id"],
        ordinal=source["ordinal"],
        title=source["title"],
        text=source["text"],
        page_start=source["page_start"],
        page_end=source["page_end"],
        page_marks=tuple((int(a), int(b)) for a, b in source["page_marks"]["marks"]),
        score=float(hit["_score"]),
        similarity=near[1] if near else None,
        bm25_score=words[1] if words else None,
        bm25_rank=words[0] if words else None,
        vector_rank=near[0] if near else None,
    )
