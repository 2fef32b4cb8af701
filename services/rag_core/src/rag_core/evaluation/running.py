"""Asks every question and records the outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rag_core.answering import followups
from rag_core.errors import OllamaUnavailable
from rag_core.evaluation.cases import Case
from rag_core.evaluation.report import WITHIN, Outcome, Report
from rag_core.models import Answer
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Retriever

_RANKED = 30  # enough for 2,000 words


def run(
    cases: Sequence[Case],
    retriever: Retriever,
    *,
    judge: Callable[[str, Sequence[tuple[str, str]]], Verdict],
    answer: Callable[[str], Answer] | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Report:
    """Measure retrieval and refusals; with `answer` the answers' citations as well (a model writes each).

    Raises OllamaUnavailable when a question could not be searched by meaning.
    """
    outcomes = []
    for done, case in enumerate(cases, 1):
        query = followups.standalone(case.question, case.history)
        began = time.monotonic()
        found = retriever.find(query, _RANKED)
        seconds = time.monotonic() - began
        if not found.by_meaning:
            raise OllamaUnavailable(
                f"question {done} was searched by words alone, as the embedder does not answer;"
                " such figures tell nothing. `ragdock doctor` names what is wrong"
            )
        given = [(p.document, p.title, p.text) for p in found.passages]
        verdict = judge(case.question, case.history)
        written = answer(query) if answer is not None else None
        # An extractive answer, given when no model answered, has no model's citations.
        by_model = written if written and written.model else None
        citations = by_model.citations if by_model else ()
        outcomes.append(
            Outcome(
                case=case,
                right=tuple(case.holds(p.document, f"{p.title} {p.text}") for p in found.passages),
                refused=not verdict.relevant,
                within=(case.within(given, WITHIN[0]), case.within(given, WITHIN[1])),
                seconds=seconds,
                cited=tuple(case.holds(c.document, f"{c.title} {c.passage}") for c in citations),
                supported=tuple(bool(one.citations) for one in by_model.sentences) if by_model else (),
                without_model=written is not None and written.reason == "no_model",
                answer_seconds=written.timings.total if written else None,
                first_token_seconds=written.timings.first_token if written else None,
            )
        )
        progress(done)
    return Report(outcomes=tuple(outcomes))
