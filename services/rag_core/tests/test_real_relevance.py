"""On a real manual full of code: its topics are answered, nonsense and other fields are not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.answering.answerer import Answerer
from services.rag_core.tests.corpora import ingested
from tests.eval import manuals

pytestmark = pytest.mark.real
QUESTIONS: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[3] / "tests" / "eval" / "relevance.json").read_text()
)


@pytest.fixture(scope="module")
def answerer(
    opensearch_address: str, ollama_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Answerer]:
    """An answerer with only R's introduction indexed."""
    home = tmp_path_factory.mktemp("relevance")
    with (
        ingested(opensearch_address, ollama_address, home, [manuals.r_introduction()]) as settings,
        contextlib.closing(factory.build_answerer(settings)) as one,
    ):
        yield one


@pytest.mark.parametrize("kind", QUESTIONS)
def test_only_what_the_manual_holds_is_answered(answerer: Answerer, kind: str) -> None:
    judged = {question: answerer.judge(question) for question in QUESTIONS[kind]}
    wrong = {question: v for question, v in judged.items() if v.relevant is not (kind == "held")}
    assert not wrong
