"""Quality on real manuals must not fall below earlier results (figures: docs/use/answers.md)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.evaluation import Report, load, run
from services.rag_core.tests.corpora import ingested
from tests.eval import manuals

pytestmark = pytest.mark.real
QUESTIONS = Path(__file__).parents[3] / "tests" / "eval" / "questions.jsonl"
KINDS = QUESTIONS.with_name("kinds.jsonl")

# A little below the figures when this was written: anything lower is a regression, not noise.
FLOORS = {
    "hit@3": 0.84,
    "MRR@10": 0.76,
    "nDCG@10": 0.76,
    "hit@3 (own words)": 0.74,
    "hit@3 (identifier)": 0.95,
    "MRR@10 (identifier)": 0.90,
    "hit@3 (follow-up)": 0.80,
    "refused, unanswerable": 0.85,
}
FLOORS_OF_KINDS = {
    "hit@3 (table)": 0.90,
    "hit@3 (near-copy)": 0.90,
    "hit@1 (file name)": 0.90,
    "hit@3 (other language)": 0.90,
    "hit@3 (typing error)": 0.90,
}
CEILINGS = {"refused, answerable": 0.04}


@pytest.fixture(scope="module")
def report(
    opensearch_address: str, ollama_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Report]:
    """One evaluation of the whole set."""
    home = tmp_path_factory.mktemp("evaluation")
    with (
        ingested(opensearch_address, ollama_address, home, manuals.evaluated()) as settings,
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        contextlib.closing(factory.build_answerer(settings, ledger)) as answerer,
    ):
        yield run(load(QUESTIONS), retriever, judge=answerer.judge)


@pytest.fixture(scope="module")
def kinds(
    opensearch_address: str, ollama_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Report]:
    """One evaluation on our own small documents, with a question of each kind that people ask."""
    home = tmp_path_factory.mktemp("kinds")
    with (
        ingested(opensearch_address, ollama_address, home, manuals.written()) as settings,
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        contextlib.closing(factory.build_answerer(settings, ledger)) as answerer,
    ):
        yield run(load(KINDS), retriever, judge=answerer.judge)


@pytest.mark.parametrize("figure", FLOORS_OF_KINDS)
def test_each_kind_of_question_finds_its_document(kinds: Report, figure: str) -> None:
    wrong = [o.case.question for o in kinds.outcomes if not any(o.right[:3])]
    assert kinds.figures()[figure] >= FLOORS_OF_KINDS[figure], wrong


@pytest.mark.parametrize("figure", FLOORS)
def test_quality_does_not_fall_under_its_floor(report: Report, figure: str) -> None:
    assert report.figures()[figure] >= FLOORS[figure], report.missed()


@pytest.mark.parametrize("figure", CEILINGS)
def test_what_the_documents_hold_is_not_refused(report: Report, figure: str) -> None:
    refused = [o.case.question for o in report.outcomes if o.refused and o.case.answerable]
    assert report.figures()[figure] <= CEILINGS[figure], refused


def test_a_report_is_kept_as_json_and_as_a_picture(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    report.picture(tmp_path / "report.svg")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert [one["case"]["question"] for one in kept["questions"]] == [
        o.case.question for o in report.outcomes
    ]
    assert (tmp_path / "report.svg").read_text().count("<rect") > len(FLOORS)
    assert report.table().row_count == len(report.figures())
