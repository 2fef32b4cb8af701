"""Text is cleaned at extraction: nothing hidden or endless is left, and no needed character is lost."""

from __future__ import annotations

import unicodedata

import pytest

from rag_core.extract.blocks import MAX_BLOCK_CHARS, BlockKind, blocks, clean, tables

BLANKS = [chr(c) for c in range(0x3001) if unicodedata.category(chr(c)) == "Zs"] + [
    "\u2800",
    "\u3164",
    "\x00",
]
HIDDEN = [
    "\u00ad",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u200e",
    "\u202e",
    "\u2066",
    "\U000e0041",
]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_every_blank_is_a_blank_and_a_flood_of_it_is_a_few(blank: str) -> None:
    assert clean(f"oil{blank}can") == "oil can"
    assert len(clean(f"oil{blank * 20_000}can")) < 50


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_what_nobody_sees_does_not_part_a_word(hidden: str) -> None:
    assert clean(f"wind{hidden}lass") == "windlass"
    assert clean(f"wind{hidden * 20_000}lass") == "windlass"
    assert clean(hidden * 20_000) == ""


@pytest.mark.parametrize("end", ["\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_every_line_end_is_one(end: str) -> None:
    assert clean(f"first{end}second") == "first\nsecond"
    assert len(clean(f"first{end * 20_000}second")) < 20


NEEDED = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Devanagari": "\u0915\u094d\u200d\u0937",
    "Malayalam, joiner at the end of a word": "\u0d05\u0d35\u0d28\u0d4d\u200d \u0d35",
    "Thai with word separators": "\u0e20\u0e32\u0e29\u0e32\u200b\u0e44\u0e17\u0e22",
    "pointed Hebrew with accents": "\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u0596\u05d9\u05ea",
    "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "heart as a picture": "\u2764\ufe0f",
    "Vietnamese": "Ti\u1ebfng Vi\u1ec7t",
    "Arabic verse end": "\u06dd\u0661",
    "variant of an ideograph": "\u845b\U000e0100",
    "code": "def f():\n    if x:\n\treturn 1\n\n\nprint(f())",
    "aligned": "Berth          fee\nNorth           12",
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_script_needs_stays(name: str) -> None:
    assert clean(NEEDED[name]) == unicodedata.normalize("NFC", NEEDED[name])


@pytest.mark.parametrize(
    "flood", ["\u0335", "\u0301\u0316", "\ufe0f", "\U000e0101\U000e0102", "\u20dd"], ids=ascii
)
def test_marks_and_selectors_on_one_letter_are_bounded(flood: str) -> None:
    cleaned = clean(f"a{flood * 100_000}b")
    assert len(cleaned) <= 9
    assert (cleaned[0], cleaned[-1]) in {("a", "b"), ("\u00e1", "b")}


def test_long_heading_goes_on_as_text() -> None:
    words = [f"word{n}" for n in range(200)]
    heading, *rest = blocks(BlockKind.HEADING, " ".join(words), 3, 2)
    assert (heading.kind, heading.level, len(heading.text) <= 300) == (BlockKind.HEADING, 2, True)
    assert [word for block in (heading, *rest) for word in block.text.split()] == words
    assert {block.kind for block in rest} == {BlockKind.TEXT}


ROWS = {
    "a cell of a megabyte": [["Name", "Remark"], ["Rope", "very " * 200_000 + "long"]],
    "an endless head": [["head " * 20_000, "b"], *(["x" * 90, "y"] for _ in range(2000))],
    "thousands of columns": [[f"c{n}" for n in range(16_000)], ["1"] * 16_000],
}


@pytest.mark.parametrize("name", ROWS)
def test_no_block_of_a_table_is_over_the_limit_and_no_cell_is_lost(name: str) -> None:
    parts = list(tables(iter(ROWS[name]), 1))
    assert max(len(part.text) for part in parts) <= MAX_BLOCK_CHARS
    expected = [word for row in ROWS[name] for cell in row for word in cell.split()]
    words = " ".join(part.text for part in parts).replace("|", " ").split()
    assert len(expected) <= len(words) < 2 * len(expected) + 40_000
    assert set(expected) <= set(words)


def test_blanks_in_cells_are_one() -> None:
    [table] = tables(iter([["a\u3000\u3000b", "c\nd"], ["\u200b", "e"], ["", "f"]]), 1)
    assert table.text == "| a b | c d |\n| --- | --- |\n|  | e |\n|  | f |"
