"""Compare answers of the chat model when it reads whole passages with what it reads in time.

    make bench BENCH=answers

Asks the questions of `bench.prompts` twice, with the sandbox's chat model: once with the
passages given whole, up to 1,000 tokens of text, and once with the sentences that are chosen to fit a time.
Needs the images and models of a sandbox that was up once (`make up`); uses containers of its own. Both runs
are written to bench/results/, question by question.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from bench.measuring import RESULTS, Figure, machine, show
from bench.measuring.resampling import interval, resampled
from bench.measuring.stores import stores
from bench.prompts import committed
from rag_core import factory
from rag_core.answering import excerpting, prompt
from rag_core.answering.quoting import Ranked
from rag_core.evaluation import Case, Report, run
from rag_core.models import Passage, Question
from rag_core.settings import RagSettings
from services.conftest import CHAT_MODEL, MODELS, create_model
from services.rag_core.tests.corpora import ingested

NO_LIMIT = 3600.0  # seconds
COMPARED = (
    "citation precision",
    "sentences supported",
    "answers with a citation",
    "first token p50",
    "first token p95",
)


@contextlib.contextmanager
def whole_passages() -> Iterator[None]:
    """Give the model whole passages instead of chosen sentences."""

    def whole(
        _ranks: Sequence[Ranked], passages: Sequence[Passage], most: int, room: int
    ) -> tuple[list[Passage], list[Passage]]:
        given = prompt.fitting(passages, most, room)
        return given, list(passages[: len(given)])

    with mock.patch.object(excerpting, "excerpts", whole):
        yield


def evaluated(settings: RagSettings, cases: Sequence[Case]) -> Report:
    """Ask every question, after a first one that shows how fast this host reads."""
    with (
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        contextlib.closing(factory.build_answerer(settings, ledger)) as answerer,
    ):
        answerer.warm()
        return run(
            cases,
            retriever,
            judge=answerer.judge,
            answer=lambda query: answerer.answer(Question(text=query, fresh=True)),
        )


def intervals(before: Report, after: Report) -> dict[str, str]:
    """Return the 95 % bootstrap interval of each difference."""
    pairs = list(zip(before.outcomes, after.outcomes, strict=True))
    gains: dict[str, list[float]] = {name: [] for name in COMPARED}
    for some in resampled(pairs):
        old, new = (Report(outcomes=side).figures() for side in zip(*some, strict=True))
        for name in COMPARED:
            gains[name].append(new.get(name, 0.0) - old.get(name, 0.0))
    return {name: f"difference, {interval(gain)}" for name, gain in gains.items()}


def main() -> None:
    """Measure and show."""
    about = machine()
    cases, files = committed()
    chat = MODELS / "smollm2-135m-instruct.gguf"
    with tempfile.TemporaryDirectory() as home, stores(limited=True) as made:
        create_model(made.ollama, CHAT_MODEL, {chat.name: chat})
        with ingested(made.opensearch, made.models, Path(home), files) as settings:
            unlimited = settings.model_copy(update={"first_word_seconds": NO_LIMIT})
            with whole_passages():
                before = evaluated(unlimited, cases)
            after = evaluated(settings, cases)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, report in (("whole", before), ("sentences", after)):
        report.write(RESULTS / f"answers-{name}.json")
    notes = intervals(before, after)
    old, new = before.figures(), after.figures()
    figures = [
        Figure(
            name,
            new[name],
            "s" if name.startswith("first token") else "",
            old.get(name),
            note=notes[name],
        )
        for name in COMPARED
        if name in new
    ]
    title = f"Answers of {CHAT_MODEL} to {len(cases)} questions (ratio to whole passages)"
    show("answers", title, figures, about)


if __name__ == "__main__":
    main()
