"""Asks every question and keeps what came."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rag_core import followups
from rag_core.evaluation.cases import Case
from rag_core.evaluation.report import Outcome, Report
from rag_core.models import Answer
from rag_core.relevance import Verdict
from rag_core.retrieval import Retriever

_RANKED = 10


def run(
    cases: Sequence[Case],
    retriever: Retriever,
    *,
    judge: Callable[[str, Sequence[tuple[str, str]]], Verdict],
    answer: Callable[[str], Answer] | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Report:
    """Measure retrieval and refusals; with `answer` the answers' citations as well (a model writes each)."""
    outcomes = []
    for done, case in enumerate(cases, 1):
        query = followups.standalone(case.question, case.history)
        began = time.monotonic()
        passages = retriever.search(query, _RANKED)
        seconds = time.monotonic() - began
        verdict = judge(case.question, case.history)
        written = answer(query) if answer is not None else None
        cited = (
            [case.holds(c.document, f"{c.title} {c.passage}") for c in written.citations] if written else []
        )
        outcomes.append(
            Outcome(
                case=case,
                right=tuple(case.holds(p.document, f"{p.title} {p.text}") for p in passages),
                refused=not verdict.relevant,
                seconds=seconds,
                cited=tuple(cited),
                answer_seconds=written.timings.total if written else None,
                first_token_seconds=written.timings.first_token if written else None,
            )
        )
        progress(done)
    return Report(outcomes=tuple(outcomes))
