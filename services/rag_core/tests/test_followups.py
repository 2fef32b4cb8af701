"""Which questions refer to earlier ones, and what is then searched."""

from __future__ import annotations

import pytest

from rag_core.answering import followups

FIRST = ("How do I fit a linear model?", "Use lm().")


@pytest.mark.parametrize(
    "question",
    [
        "How do I plot it?",
        "And for a factor?",
        "What about missing values?",
        "Does that work for matrices?",
        "Why?",
        "examples?",
        "How can I undo this?",
        "What are their defaults?",
        "What is the other one?",
    ],
)
def test_a_question_that_leans_is_searched_with_the_one_before(question: str) -> None:
    assert followups.standalone(question, [FIRST]) == f"{FIRST[0]} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "How do I read a table from a file?",
        "read.table",
        "What is the option that sets the width?",
        "Which index helps with arrays?",
        "--no-owner",
    ],
)
def test_a_whole_question_changes_the_subject(question: str) -> None:
    assert followups.standalone(question, [FIRST]) == question


def test_a_chain_of_follow_ups_reaches_back_to_its_topic_and_no_further() -> None:
    history = [("What is a monad?", "x"), FIRST, ("And for a factor?", "y")]
    assert followups.standalone("Why?", history) == "How do I fit a linear model? And for a factor? Why?"


def test_without_history_a_question_stays_as_it_is() -> None:
    assert followups.standalone("Why?", []) == "Why?"


def test_an_endless_conversation_does_not_make_an_endless_query() -> None:
    assert followups.standalone("Why?", [("x " * 900 + "it", "y")]) == "Why?"
