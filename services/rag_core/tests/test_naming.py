"""Which documents a question names by file name, and what else it asks."""

from __future__ import annotations

import pytest

from rag_core.retrieval import naming

NAMES = {
    "r": "report.pdf",
    "n": "AnnualReport_2024.docx",
    "q": "q3-budget.xlsx",
    "u": "user guide.md",
    "k": "\u00dcbersicht M\u00e4rz.txt",
    "c": "\u5831\u544a.pdf",
}


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Summarize report.pdf", "r"),
        ("summarise REPORT.PDF.", "r"),
        ('What is in "report.pdf"?', "r"),
        ("What does AnnualReport_2024.docx say of turnover?", "n"),
        ("Give me an overview of the annual report 2024", "n"),
        ("Summarize the file q3-budget", "q"),
        ("summary of the user guide", "u"),
        ("Uebersicht Maerz.txt", "k"),
        ("\u5831\u544a.pdf\u3092\u307e\u3068\u3081\u3066", "c"),
    ],
)
def test_a_name_as_it_is_written_names_its_document(question: str, named: str) -> None:
    assert naming.naming(question, NAMES).certain == (named,)


@pytest.mark.parametrize(
    "question", ["Who wrote the report?", "my-report.pdf.gz2", "preport.pdf", "How do I guide a user?"]
)
def test_words_that_are_no_name_name_nothing(question: str) -> None:
    found = naming.naming(question, NAMES)
    assert (found.certain, found.likely, found.rest) == ((), (), question)


def test_the_words_of_a_name_within_another_question_are_a_hint_only() -> None:
    found = naming.naming("Where does the user guide speak of pumps?", NAMES)
    assert (found.certain, found.likely, found.whole) == ((), ("u",), False)


@pytest.mark.parametrize("question", ["Summarize report.pdf", "What is report.pdf about?", "report.pdf"])
def test_a_question_for_the_document_itself_asks_for_all_of_it(question: str) -> None:
    assert naming.naming(question, NAMES).whole


def test_the_rest_of_the_question_is_searched_without_the_name() -> None:
    found = naming.naming("Which pump does report.pdf recommend?", NAMES)
    assert (found.rest, found.whole) == ("Which pump does recommend?", False)
