"""Lines in PDFs outside tables: no word is moved or lost for them, and any number of them is handled."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.extract import Block, BlockKind, Parser
from services.rag_core.tests.pdfs import LIMITS, blocks, drawn, grid, line, said
from tests.eval import manuals


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def tables(found: list[Block]) -> list[str]:
    return [b.text for b in found if b.kind is BlockKind.TABLE]


def texts(*placed: tuple[str, float, float]) -> str:
    return "".join(said(*one) for one in placed)


NO_TABLE = {
    "a box round code": "50 600 400 100 re S\n" + texts(("int depth = 7;", 60, 670), ("return 0;", 60, 650)),
    "two columns in a frame": grid([50, 300, 550], [700, 500])
    + texts(("left column", 60, 600), ("right column", 310, 600)),
    "a chart": grid([100, 200, 300, 400], [700, 600, 500, 400])
    + texts(("0", 98, 385), ("100", 195, 385), ("depth", 60, 500), ("peak", 210, 650), ("low", 110, 450)),
    "axes": line(300, 400, 300, 700)
    + line(100, 550, 500, 550)
    + line(50, 300, 500, 300)
    + texts(("north", 310, 690), ("west", 110, 560), ("south", 310, 410), ("east", 460, 530)),
    "a page in a frame": grid([20, 120, 580], [780, 740, 20])
    + texts(("Menu", 30, 760), ("Title", 130, 760), ("home", 30, 700), ("All the text", 130, 600)),
    "a banner over two columns": grid([50, 550], [700, 680])
    + grid([50, 300, 550], [680, 400])
    + texts(("The Harbour News", 200, 687), ("left column", 60, 660), ("right column", 310, 660)),
    "rules over and under text": "".join(line(50, y, 500, y) for y in (700, 600, 500))
    + texts(("between two rules", 60, 650), ("and again", 60, 550)),
    "a list under a head set in": grid([50, 350], [700, 500])
    + line(100, 680, 350, 680)
    + line(100, 680, 100, 700)
    + texts(("head", 200, 687), *((f"key {n} of it", 60, 660 - 14 * n) for n in range(6))),
    "a box of text under two boxes": grid([50, 200, 350], [700, 680])
    + grid([50, 350], [680, 560])
    + texts(
        ("one", 60, 687), ("two", 210, 687), *((f"line {n} of a text", 60, 660 - 14 * n) for n in range(6))
    ),
}


@pytest.mark.parametrize("what", NO_TABLE)
def test_other_lines_make_no_table_and_cost_no_word(parser: Parser, tmp_path: Path, what: str) -> None:
    (tmp_path / "lines.pdf").write_bytes(drawn(NO_TABLE[what]))
    found = blocks(parser, tmp_path / "lines.pdf")
    assert tables(found) == []
    words = re.findall(r"\w+", " ".join(re.findall(r"\((.*?)\) Tj", NO_TABLE[what])))
    assert sorted(re.findall(r"\w+", " ".join(b.text for b in found))) == sorted(words)


def strokes(count: int, end: str) -> str:
    return "".join(f"{n % 600} {n % 800} m {n % 599} {n % 797} l {end}\n" for n in range(count))


HOSTILE = {
    "200,000 paths": strokes(200_000, "S"),
    "200,000 pieces of one path": strokes(200_000, "") + "S\n",
    "squared paper": grid(range(0, 601, 4), range(0, 801, 4)),
    "10,000 cells with text": grid(range(0, 601, 6), range(0, 801, 8))
    + "".join(said("x", x + 1, y + 2, 3) for x in range(0, 600, 6) for y in range(0, 720, 8)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_page_of_very_many_lines_is_read_in_seconds(parser: Parser, tmp_path: Path, what: str) -> None:
    (tmp_path / "many.pdf").write_bytes(
        drawn(HOSTILE[what] + said("The words at the end of it all", 40, 780))
    )
    started = time.monotonic()
    found = blocks(parser, tmp_path / "many.pdf")
    assert time.monotonic() - started < 30
    assert tables(found) == []
    assert "The words at the end of it all" in " ".join(b.text for b in found)


@pytest.mark.real
def test_no_code_of_a_real_manual_is_taken_for_a_table(parser: Parser) -> None:
    """The manual has over a hundred pages, half of them code, with rules over footnotes and under headers."""
    assert tables(blocks(parser, manuals.r_introduction())) == []
