"""Words hyphenated at a line's end are rejoined, whatever the hyphen; words keep their own hyphens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.extract import Parser
from services.rag_core.tests.pdfs import LIMITS, spelled, words

HYPHENS = {"ASCII": "-", "soft": "\u00ad", "U+2010": "\u2010", "U+2011": "\u2011"}


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, folder: Path, *lines: str) -> str:
    (folder / "words.pdf").write_bytes(spelled(lines))
    return words(parser, folder / "words.pdf")


@pytest.mark.parametrize("hyphen", HYPHENS)
def test_word_parted_at_the_end_of_a_line_is_one(parser: Parser, tmp_path: Path, hyphen: str) -> None:
    mark = HYPHENS[hyphen]
    text = read(
        parser,
        tmp_path,
        f"A paper on the electrifi{mark}",
        f"cation of the tramway was with{mark}",
        f"drawn in the \u00dcber{mark}",
        "pr\u00fcfung of the year.",
    )
    assert "the electrification of the tramway was withdrawn in the \u00dcberpr\u00fcfung of" in text


@pytest.mark.parametrize("hyphen", ["ASCII", "U+2010", "U+2011"])
def test_word_that_has_a_hyphen_elsewhere_keeps_it(parser: Parser, tmp_path: Path, hyphen: str) -> None:
    mark = HYPHENS[hyphen]
    text = read(parser, tmp_path, f"The old{mark}fashioned keeper of the old{mark}", "fashioned lamp.")
    assert text.replace(mark, "-") == "The old-fashioned keeper of the old-fashioned lamp."


@pytest.mark.parametrize("hyphen", ["U+2010", "U+2011"])
def test_hyphen_that_parts_no_word_stays(parser: Parser, tmp_path: Path, hyphen: str) -> None:
    mark = HYPHENS[hyphen]
    text = read(
        parser, tmp_path, f"The ferry of 1908{mark}", f"1912 and its sister{mark}ship on pages 4{mark}7"
    )
    assert text.count(mark) == 3
