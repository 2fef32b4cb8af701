"""One question on its way to an answer, and what is known of it so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rag_core.answering import explaining
from rag_core.answering.routing import Route
from rag_core.models import Answer, Frozen, Passage, Timings, Tokens
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Found
from rag_core.support import citing

_NOTHING = "The documents do not hold an answer to this."
_NEAREST = "The documents do not seem to hold an answer to this. The nearest passages are listed below."
_NO_MODEL = "No model could write an answer just now. These passages of the documents come closest:"
_QUOTED = 400


class Policy(Frozen):
    """How answers are made; the settings' own words explain each."""

    models: tuple[str, ...]
    large_model: str
    threshold: float
    unknown_raise: float
    context_tokens: int
    history_tokens: int
    max_tokens: int
    num_ctx: int
    remembered: int


@dataclass(slots=True)
class Asked:
    """One question on its way, and what is known of it so far."""

    question: str
    query: str
    top_k: int | None
    timeout: float | None
    history: list[tuple[str, str]]
    route: Route
    start: float = field(default_factory=time.monotonic)
    found: Found = field(default_factory=Found)
    verdict: Verdict | None = None
    given: list[Passage] = field(default_factory=list)
    retrieved: float = 0.0
    first_token: float | None = None
    generated: float = 0.0
    tokens: Tokens | None = None

    def now(self) -> float:
        """Seconds since it was asked."""
        return time.monotonic() - self.start

    def timings(self) -> Timings:
        """The seconds of each step so far."""
        total = self.now()
        return Timings(
            retrieve=self.retrieved,
            embed=self.found.embed_seconds,
            search=self.found.search_seconds,
            first_token=self.first_token,
            generate=max(0.0, self.generated - self.retrieved),
            cite=total - self.generated if self.generated else 0.0,
            total=total,
        )

    def answer(self, text: str, **more: Any) -> Answer:
        """What is the same for every kind of answer."""
        why = None
        if self.verdict is not None:
            why = explaining.explain(
                question=self.question,
                query=self.query,
                rule=self.route.rule,
                verdict=self.verdict,
                found=self.found,
                given=self.given,
            )
        return Answer(
            answer=text,
            passages=self.found.passages,
            tokens=self.tokens,
            explain=why,
            timings=self.timings(),
            **more,
        )

    def nothing(self) -> Answer:
        """The documents hold no answer; the nearest passages are offered."""
        return self.answer(_NEAREST if self.found.passages else _NOTHING, reason="no_relevant_passage")

    def passages_only(self) -> Answer:
        """No model answered: the passages themselves are the answer."""
        quotes = [f"{_quoted(passage.text)} [{n}]" for n, passage in enumerate(self.found.passages, 1)]
        return self.answer(
            "\n\n".join([_NO_MODEL, *quotes]),
            citations=citing.whole(self.found.passages),
            degraded=True,
            reason="no_model",
        )


def _quoted(text: str) -> str:
    return text if len(text) <= _QUOTED else text[:_QUOTED].rsplit(" ", 1)[0] + " …"
