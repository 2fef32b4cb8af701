"""What a question asks for: words, identifiers, places in a text."""

from __future__ import annotations

import pytest

from rag_core import words


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("--no-owner", ["--no-owner"]),
        ("what does na.omit do?", ["na.omit"]),
        ("Where is .Rprofile, or /etc/fstab?", [".Rprofile", "/etc/fstab"]),
        ("what is ORIG_HEAD", ["ORIG_HEAD"]),
        ("tell me about scan() and read.table()", ["scan", "read.table"]),
        ("maintenance_work_mem?", ["maintenance_work_mem"]),
        ("%*%", ["%*%"]),
        ("plots?", ["plots"]),
        ("How do loops work?", []),
        ("What is x?", []),
    ],
)
def test_identifiers_are_taken_as_they_are_written(question: str, named: list[str]) -> None:
    assert words.identifiers(question) == named


def test_stop_words_leave_a_question_but_never_empty_it() -> None:
    assert words.without_stop_words("How do I read a table?") == "read table?"
    assert words.without_stop_words("what is this") == "what is this"


def test_words_of_a_question_are_found_in_a_text_whatever_their_ending() -> None:
    text = "Tables are read by read.table; reading a table takes a second."
    found = [text[start:end] for start, end in words.spans(text, "How are tables read?")]
    assert found == ["Tables", "read", "reading", "table"]


def test_scripts_without_blanks_are_taken_by_pairs_of_characters() -> None:
    text = "\u6cf5\u7684\u538b\u529b"
    assert words.content(text) == ["\u6cf5\u7684", "\u7684\u538b", "\u538b\u529b"]
    assert words.spans(f"x {text}", "\u538b\u529b?") == [(4, 6)]
    assert words.identifiers("read.table\u600e\u4e48\u7528\uff1f") == ["read.table"]
