"""Compare answers of the chat model when it reads whole passages with what it reads in time.

    make bench BENCH=answers

Asks the questions of `tests/eval/questions.jsonl` twice, with the sandbox's chat model: once with the
passages given whole, up to 1,000 tokens of text, and once with the sentences that are chosen to fit a time.
Needs the images and models of a sandbox that was up once (`make up`); uses containers of its own.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from bench.measuring import ROOT, Figure, machine, show
from bench.measuring.stores import stores
from rag_core import factory
from rag_core.answering import excerpting, prompt
from rag_core.answering.quoting import Ranked
from rag_core.evaluation import Case, load, measures
from rag_core.models import Answer, Passage, Question
from rag_core.settings import RagSettings
from services.conftest import CHAT_MODEL, MODELS, create_model
from services.rag_core.tests.corpora import ingested
from tests.eval import manuals

QUESTIONS = ROOT / "tests" / "eval" / "questions.jsonl"
NO_LIMIT = 3600.0  # seconds


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


def answered(settings: RagSettings, cases: Sequence[Case]) -> list[tuple[Case, Answer]]:
    """Ask every question; the first ones show how fast this host reads."""
    with (
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_answerer(settings, ledger)) as answerer,
    ):
        answerer.warm()
        return [
            (case, answerer.answer(Question(text=case.question, history=case.history, fresh=True)))
            for case in cases
        ]


def values(found: Sequence[tuple[Case, Answer]]) -> dict[str, tuple[float, str]]:
    """Return name -> value and unit; only answers of a model count."""
    written = [(case, answer) for case, answer in found if answer.model]
    cited = [
        float(case.holds(one.document, f"{one.title} {one.passage}"))
        for case, answer in written
        for one in answer.citations
    ]
    sentences = [float(bool(one.citations)) for _, answer in written for one in answer.sentences]
    read = [float(answer.tokens.prompt) for _, answer in written if answer.tokens]
    first = [a.timings.first_token for _, a in written if a.timings.first_token is not None]
    return {
        "answers of the model": (float(len(written)), ""),
        "citation precision": (measures.mean(cited), ""),
        "answers with a citation": (measures.mean([float(bool(a.citations)) for _, a in written]), ""),
        "sentences supported": (measures.mean(sentences), ""),
        "tokens of the prompt, mean": (measures.mean(read), ""),
        "first word p50": (measures.percentile(first, 0.5), "s"),
        "first word p95": (measures.percentile(first, 0.95), "s"),
    }


def main() -> None:
    """Measure and show."""
    about = machine()
    cases = [case for case in load(QUESTIONS) if case.answerable]
    chat = MODELS / "smollm2-135m-instruct.gguf"
    with tempfile.TemporaryDirectory() as home, stores(limited=True) as made:
        create_model(made.ollama, CHAT_MODEL, {chat.name: chat})
        with ingested(made.opensearch, made.models, Path(home), manuals.evaluated()) as settings:
            unlimited = settings.model_copy(update={"first_word_seconds": NO_LIMIT})
            with whole_passages():
                before = values(answered(unlimited, cases))
            after = values(answered(settings, cases))
    figures = [
        Figure(name, value, unit, before[name][0], note="compared with whole passages")
        for name, (value, unit) in after.items()
    ]
    show("answers", f"Answers of {CHAT_MODEL} to {len(cases)} questions", figures, about)


if __name__ == "__main__":
    main()
