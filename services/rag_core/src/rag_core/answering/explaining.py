"""Explains an answer from the results of each step."""

from __future__ import annotations

from collections.abc import Collection

from rag_core.models import Explain, Passage, Why
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Found
from rag_core.text.words import content, words


def explain(
    *, question: str, query: str, rule: str, verdict: Verdict, found: Found, given: Collection[Passage]
) -> Explain:
    """Build the explanation; `given` are the passages that the model was shown."""
    shown = {_place(passage) for passage in given}
    return Explain(
        query=query,
        rewritten=query != question,
        routing=rule,
        needed=verdict.needed,
        nearest=verdict.nearest,
        words=found.words,
        passages=tuple(_why(passage, query, _place(passage) in shown) for passage in found.passages),
    )


def _place(passage: Passage) -> tuple[str, int, str]:
    # Not the whole text: the last passage given to a model may be shortened.
    return (passage.document_id, passage.page_start, passage.text[:80])


def _why(passage: Passage, query: str, given: bool) -> Why:
    held = words(f"{passage.title} {passage.text}")
    return Why(
        document_id=passage.document_id,
        document=passage.document,
        page_start=passage.page_start,
        page_end=passage.page_end,
        score=passage.score,
        bm25_rank=passage.bm25_rank,
        bm25_score=passage.bm25_score,
        vector_rank=passage.vector_rank,
        similarity=passage.similarity,
        words=tuple(word for word in content(query) if words(word) <= held),
        given=given,
    )
