"""What a question asks for: words, identifiers, places in a text."""

from __future__ import annotations

import pytest

from rag_core.text import words


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u00dcberpr\u00fcfung", "Ueberpruefung"),
        ("Stra\u00dfe", "strasse"),
        ("K\u00fcndigungsfrist", "Kuendigungsfrist"),
        ("entr\u00e9e", "entree"),
        ("\u0153uvre", "oeuvre"),
        ("Malm\u00f6", "Malmo"),
        ("\uff76\uff9e\uff72\uff84\uff9e", "\u30ac\u30a4\u30c9"),  # half-width and full-width kana
        ("\uff21\uff22\uff23", "abc"),
        ("\u0631\u064f\u0633\u064f\u0648\u0645\u064f", "\u0631\u0633\u0648\u0645"),  # Arabic vowels
        ("\u0625\u0631\u0633\u0627\u0621", "\u0627\u0631\u0633\u0627\u0621"),  # Arabic alef with hamza
    ],
)
def test_one_word_in_two_spellings_is_one(one: str, other: str) -> None:
    assert words.words(one) == words.words(other) != frozenset()


@pytest.mark.parametrize(("one", "other"), [("not", "note"), ("read", "road"), ("1.5", "15"), ("4", "6")])
def test_two_words_stay_two(one: str, other: str) -> None:
    assert words.folded(one) != words.folded(other)


def test_thai_is_taken_by_pairs_with_its_vowels() -> None:
    text = "\u0e04\u0e48\u0e32\u0e40\u0e0a\u0e48\u0e32\u0e40\u0e23\u0e37\u0e2d"
    assert words.words(text[:6]) <= words.words(text)
