"""Metrics that can be checked by hand, and invalid files of questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_core.evaluation import Case, Report, load, measures
from rag_core.evaluation.cases import BadCases
from rag_core.evaluation.report import Outcome


def test_measures_of_a_ranking() -> None:
    right = [False, True, False, True]
    assert (measures.hit(right, 1), measures.hit(right, 2)) == (0.0, 1.0)
    assert measures.reciprocal_rank(right) == 0.5
    # (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3))
    assert measures.ndcg(right) == pytest.approx(0.6509, abs=1e-4)
    assert measures.ndcg([False]) == 0.0
    # Missing results count: (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/log2(4))
    assert measures.ndcg(right, relevant=3) == pytest.approx(0.4982, abs=1e-4)
    assert measures.ndcg([True], relevant=2) == pytest.approx(1 / 1.6309, abs=1e-4)
    assert measures.percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert measures.percentile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0


def test_what_is_ranked_behind_the_first_ten_does_not_change_their_gain() -> None:
    first = [True] + [False] * 9
    assert measures.ndcg([*first, True, True]) == measures.ndcg(first) == 1.0


def test_a_passage_is_right_by_document_and_words() -> None:
    case = Case(question="q", kind="identifier", documents=("a.html",), says=("--Keep\n index",))
    assert case.holds("a.html", "use --keep index here")
    assert not case.holds("b.html", "use --keep index here")
    assert not case.holds("a.html", "nothing")


def test_a_document_that_was_not_found_lowers_the_gain() -> None:
    both = Case(question="q", kind="own words", documents=("a", "b"), says=("x",))
    figures = Report(outcomes=(Outcome(case=both, right=(True,), refused=False, seconds=0.1),)).figures()
    assert figures["nDCG@10"] == pytest.approx(1 / 1.6309, abs=1e-4)


def test_seconds_to_the_first_token_are_reported_as_percentiles() -> None:
    case = Case(question="q", kind="own words", documents=("a",), says=("x",))
    figures = Report(
        outcomes=tuple(
            Outcome(
                case=case,
                right=(True,),
                refused=False,
                seconds=0.1,
                answer_seconds=10.0,
                first_token_seconds=float(n),
            )
            for n in range(1, 21)
        )
    ).figures()
    assert (figures["first token p50"], figures["first token p95"]) == (10.0, 19.0)


def test_only_what_a_model_wrote_counts_among_answers() -> None:
    """Refusals do not count as answer times, and passages shown without a model do not count as citations."""
    held = Case(question="held", kind="own words", documents=("a",), says=("x",))
    outcome = Outcome(case=held, right=(True,), refused=False, seconds=0.1)
    figures = Report(
        outcomes=(
            outcome.model_copy(
                update={
                    "cited": (True, False),
                    "supported": (True, False, False, False),
                    "answer_seconds": 8.0,
                    "first_token_seconds": 2.0,
                }
            ),
            outcome.model_copy(update={"answer_seconds": 0.2}),
            outcome.model_copy(update={"answer_seconds": 240.0, "without_model": True}),
        )
    ).figures()
    assert (figures["answer p50"], figures["answer p95"]) == (8.0, 8.0)
    assert figures["citation precision"] == 0.5
    assert figures["sentences supported"] == 0.25
    assert figures["answers with a citation"] == pytest.approx(1 / 3)
    assert figures["answered without a model"] == pytest.approx(1 / 3)
    assert "refused, unanswerable" not in figures


def test_refusals_are_counted_apart_for_what_has_an_answer_and_what_has_none() -> None:
    held = Case(question="held", kind="own words", documents=("a",), says=("x",))
    beyond = Case(question="beyond", kind="unanswerable")
    figures = Report(
        outcomes=(
            Outcome(case=held, right=(True,), refused=True, seconds=0.1),
            Outcome(case=held, right=(True,), refused=False, seconds=0.1),
            Outcome(case=beyond, right=(), refused=True, seconds=0.3),
        )
    ).figures()
    assert figures["refused, answerable"] == 0.5
    assert figures["refused, unanswerable"] == 1.0
    assert figures["hit@1"] == 1.0
    assert figures["retrieval p95"] == 0.3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", "question"),
        ("not json", "line 1"),
        ('{"question": "q", "kind": "own words"}', "documents"),
        ('{"question": "q", "kind": "unknown"}', "kind"),
        ("", "no question"),
    ],
)
def test_an_unusable_file_is_refused_by_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BadCases, match=message):
        load(path)


def test_what_changes_are_checked_on_is_not_what_they_are_tuned_on() -> None:
    sets = Path(__file__).parents[3] / "tests" / "eval"
    names = ("questions", "kinds", "debian", "debian_manuals", "debian_manuals_check")
    asked = [
        (case.question, case.after)
        for name in names
        for case in load(sets / f"{name}.jsonl")
        if case.answerable
    ]
    assert len(asked) == len(set(asked))
