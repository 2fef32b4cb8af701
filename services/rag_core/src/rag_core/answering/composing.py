"""Builds answers from the question, the evidence found for it, and the timings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_core.answering import explaining, quoting
from rag_core.answering.quoting import Ranked
from rag_core.answering.routing import Route
from rag_core.models import Answer, Frozen, Passage, Question, Timings
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Found
from rag_core.support import citing
from rag_core.text import cutting

_NOTHING = "The documents do not hold an answer to this."
_NEAREST = "The documents do not seem to hold an answer to this. The nearest passages are listed below."
_NO_MODEL = "No model could write an answer just now. These passages of the documents come closest:"


class AnswerContext(Frozen):
    """A checked question, also rewritten to stand alone (`query`), the turns that fit, and the models."""

    question: Question
    query: str
    history: tuple[tuple[str, str], ...]
    route: Route


class Evidence(Frozen):
    """What the documents hold for a question, and whether they cover it."""

    found: Found
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Bearing:
    """The passages that bear on the question, and their runs of sentences, best first."""

    passages: tuple[Passage, ...] = ()
    ranks: tuple[Ranked, ...] = ()


@dataclass(slots=True)
class Stopwatch:
    """When each step of an answer ended, in seconds since the start."""

    start: float = field(default_factory=time.monotonic)
    retrieved: float = 0.0
    first_token: float | None = None
    generated: float = 0.0

    def skip(self, seconds: float) -> None:
        """Exclude time in which nothing was done for this answer."""
        self.start += seconds

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.start

    def timings(self, found: Found | None = None) -> Timings:
        """Return the seconds of each step so far."""
        total = self.now()
        return Timings(
            retrieve=self.retrieved,
            embed=found.embed_seconds if found else 0.0,
            search=found.search_seconds if found else 0.0,
            first_token=self.first_token,
            generate=max(0.0, self.generated - self.retrieved),
            cite=total - self.generated if self.generated else 0.0,
            total=total,
        )


def composed(
    text: str,
    context: AnswerContext,
    evidence: Evidence,
    watch: Stopwatch,
    *,
    given: Sequence[Passage] = (),
    **more: Any,
) -> Answer:
    """Build an answer of any kind; `given` are the passages that the model was shown."""
    return Answer(
        answer=text,
        passages=evidence.found.passages,
        explain=explaining.explain(
            question=context.question.text,
            query=context.query,
            rule=context.route.rule,
            verdict=evidence.verdict,
            found=evidence.found,
            given=given,
        ),
        timings=watch.timings(evidence.found),
        **more,
    )


def not_covered(context: AnswerContext, evidence: Evidence, watch: Stopwatch) -> Answer:
    """Build the answer for a question that the documents do not cover; it offers the nearest passages."""
    text = _NEAREST if evidence.found.passages else _NOTHING
    return composed(
        text, context, evidence, watch, reason="no_relevant_passage", remarks=tuple(remarks(evidence))
    )


def extractive(
    context: AnswerContext,
    evidence: Evidence,
    watch: Stopwatch,
    given: Sequence[Passage],
    remarks: Sequence[str] = (),
) -> Answer:
    """Build the extractive answer for when no model answered: the passages themselves."""
    passages = evidence.found.passages
    texts = [cutting.shortened(passage.text, quoting.LONGEST) for passage in passages]
    quotes = [f"{citing.quoted(text)} [{n}]" for n, text in enumerate(texts, 1)]
    return composed(
        "\n\n".join([_NO_MODEL, *quotes]),
        context,
        evidence,
        watch,
        given=given,
        citations=citing.whole(passages),
        degraded=True,
        reason="no_model",
        remarks=tuple(remarks),
    )


def remarks(evidence: Evidence) -> list[str]:
    """Return remarks on the search: why a remote embedder failed and it was by words alone."""
    why = evidence.found.remark
    return [sentence(f"searched by words alone: {why}")] if why else []


def sentence(message: str) -> str:
    """Turn an error's message into a sentence; the name of a host keeps its spelling."""
    begins_with_a_word = message.partition(" ")[0].isalpha()
    return f"{message[:1].upper() if begins_with_a_word else message[:1]}{message[1:]}."
