"""Whether the documents cover a question; figures: docs/decisions/0055-relevance.md."""

from __future__ import annotations

import pytest

from rag_core.models import Passage
from rag_core.retrieval import relevance

CODE = "> xyz <- array(x, dim=c(3,4,2)); zz[[1]] %*% par(mfrow=c(2,2))"


def passage(similarity: float | None, text: str = CODE, rank: int | None = 1) -> Passage:
    return Passage(
        document_id="d",
        document="R-intro.pdf",
        title="Matrices",
        page_start=1,
        page_end=1,
        text=text,
        score=0.03,
        similarity=similarity,
        vector_rank=rank,
    )


def verdict(question: str, held: dict[str, int], found: Passage) -> relevance.Verdict:
    return relevance.judge(question, [found], held, threshold=0.30, unknown_raise=0.20)


@pytest.mark.parametrize("similarity", [0.31, 0.417, 0.451])
def test_nonsense_near_program_code_is_not_answered(similarity: float) -> None:
    judged = verdict("zxqv wvut", {"zxqv": 0, "wvut": 0}, passage(similarity))
    assert not judged.relevant
    assert judged.unknown == ("zxqv", "wvut")
    assert judged.needed == pytest.approx(0.50)


def test_each_unknown_word_raises_the_bar_a_little() -> None:
    question = "What does the sapply family do for grouped data?"
    held = {"sapply": 0, "family": 4, "grouped": 2, "data": 90}
    assert verdict(question, held, passage(0.36)).relevant
    assert not verdict(question, held, passage(0.34)).relevant


def test_known_words_and_a_near_passage_are_enough() -> None:
    assert verdict("How do loops work?", {"loops": 3, "work": 5}, passage(0.31)).relevant
    assert not verdict("How do loops work?", {"loops": 3, "work": 5}, passage(0.29)).relevant


@pytest.mark.parametrize("question", ["mfrow", "par mfrow", "%*%"])
def test_what_a_passage_says_needs_no_nearness(question: str) -> None:
    assert verdict(question, dict.fromkeys(relevance.telling(question), 1), passage(0.1)).relevant


@pytest.mark.parametrize("question", ["zxqv 1 2", "...", "?? !!", "tell me about mfrow prices in Peru"])
def test_numbers_signs_and_one_word_of_many_say_nothing(question: str) -> None:
    assert not relevance.mentions(passage(0.1), question)


def test_letters_and_numbers_alone_are_neither_known_nor_unknown() -> None:
    assert relevance.telling("what is x in 2014 for zz7?") == ["zz7"]


def test_without_the_embedder_nothing_is_withheld() -> None:
    assert verdict("zxqv", {"zxqv": 0}, passage(None, rank=None)).relevant
    assert not relevance.judge("zxqv", [], {}, threshold=0.3, unknown_raise=0.2).relevant


def test_what_is_half_as_near_as_the_nearest_or_less_is_kept_from_the_model() -> None:
    near, next_to_it, far, unjudged = (passage(one) for one in (0.74, 0.37, 0.36, None))
    assert relevance.bearing("How is it done?", [near, next_to_it, far, unjudged]) == [near, next_to_it]


def test_a_passage_that_says_the_words_is_shown_however_far() -> None:
    near, text = passage(0.74, "Another thing."), passage(None)
    assert relevance.bearing("par mfrow", [near, text]) == [near, text]


def test_without_nearness_all_are_shown() -> None:
    found = [passage(None, rank=None), passage(None, "Another thing.", rank=None)]
    assert relevance.bearing("How is it done?", found) == found
    assert relevance.bearing("How is it done?", []) == []


def test_a_document_that_the_question_names_bears_on_it() -> None:
    assert relevance.mentions(passage(0.1), "Summarize R-intro.pdf")
    assert not relevance.mentions(passage(0.1), "Summarize R-data.pdf")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("harbour mastre", "The harbour master keeps the book."),
        ("Liegeplatz K\u00fcndigung", "Die K\u00fcndigungsfrist f\u00fcr Liegeplatzvertr\u00e4ge ist lang."),
        ("lighthose keeper", "The lighthouse keeper lives there."),
    ],
)
def test_a_typing_error_and_a_part_of_a_word_still_say_it(question: str, text: str) -> None:
    assert relevance.mentions(passage(0.1, text), question)


@pytest.mark.parametrize("text", ["The harbour muster rolls.", "The barber master."])
def test_two_errors_say_something_else(text: str) -> None:
    assert not relevance.mentions(passage(0.1, text), "harbour mastir keepar")
