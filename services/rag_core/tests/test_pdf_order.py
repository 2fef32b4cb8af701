"""Text is read as people read a page: column after column, whatever order the file draws it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import pytest
from fpdf import FPDF

from rag_core.extract import Parser
from services.rag_core.tests.pdfs import LIMITS, drawn, said, words

LEFT = (
    "The lighthouse at Skerry was built of granite that came by barge from the mainland, and the keeper"
    " was Ebenezer Thornbury, who stayed there for forty-one years in all."
)
RIGHT = (
    "The railway to Dunmore was closed in the winter because snow had broken three bridges, and the engineer"
    " Lavinia Proudfoot rebuilt them in iron by the spring."
)
THIRD = (
    "The ferry to Elmhaven runs twice a day unless the wind is from the north, when the harbour master"
    " hoists a black ball on the mast above the quay."
)
TITLE = "Short histories of the coast and of those who lived on it from the archives of the harbour"


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def set_in(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def rows(columns: Sequence[Sequence[str]], xs: Sequence[float], top: float = 700, shift: float = 0) -> str:
    """Lines of columns, drawn row by row; each further column is `shift` points lower."""
    return "".join(
        said(column[n], x, top - 13 * n - shift * i)
        for n in range(max(map(len, columns)))
        for i, (column, x) in enumerate(zip(columns, xs, strict=True))
        if n < len(column)
    )


def read(parser: Parser, folder: Path, content: str, more: str = "") -> str:
    (folder / "page.pdf").write_bytes(drawn(content, more))
    return words(parser, folder / "page.pdf")


@pytest.mark.parametrize("shift", [0, 4, 7])
def test_two_columns_drawn_row_by_row(parser: Parser, tmp_path: Path, shift: float) -> None:
    text = read(parser, tmp_path, rows([set_in(LEFT, 34), set_in(RIGHT, 34)], [40, 300], shift=shift))
    assert text == f"{LEFT} {RIGHT}"


def test_narrow_gutter(parser: Parser, tmp_path: Path) -> None:
    text = read(parser, tmp_path, rows([set_in(LEFT, 34), set_in(RIGHT, 34)], [40, 225]))
    assert text == f"{LEFT} {RIGHT}"


def test_columns_drawn_word_by_word(parser: Parser, tmp_path: Path) -> None:
    columns = [set_in(LEFT, 34), set_in(RIGHT, 34)]
    paper = FPDF(unit="pt")
    paper.set_font("Helvetica", size=10)
    content = "".join(
        said(word, x + paper.get_string_width(" ".join([*line.split()[:i], ""])), 700 - 13 * n)
        for n, pair in enumerate(zip_longest(*columns, fillvalue=""))
        for line, x in zip(pair, (40, 300), strict=True)
        for i, word in enumerate(line.split())
    )
    assert read(parser, tmp_path, content) == f"{LEFT} {RIGHT}"


def test_three_columns_drawn_row_by_row(parser: Parser, tmp_path: Path) -> None:
    columns = [set_in(text, 26) for text in (LEFT, RIGHT, THIRD)]
    assert read(parser, tmp_path, rows(columns, [40, 220, 400])) == f"{LEFT} {RIGHT} {THIRD}"


def test_columns_under_a_title_and_over_a_foot(parser: Parser, tmp_path: Path) -> None:
    columns = rows([set_in(LEFT, 34), set_in(RIGHT, 34)], [40, 300])
    foot = "Printed by the harbour office for all who ask for it at the quay before noon on a working day"
    text = read(parser, tmp_path, said(TITLE, 40, 740) + columns + said(foot, 40, 40))
    assert text == f"{TITLE} {LEFT} {RIGHT} {foot}"


def test_columns_above_and_under_a_line_over_the_whole_width(parser: Parser, tmp_path: Path) -> None:
    upper = rows([set_in(LEFT, 34), set_in(RIGHT, 34)], [40, 300], 700)
    lower = rows([set_in(THIRD, 34), set_in(LEFT, 34)], [40, 300], 500)
    text = read(parser, tmp_path, upper + said(TITLE, 40, 550) + lower)
    assert text == f"{LEFT} {RIGHT} {TITLE} {THIRD} {LEFT}"


def test_columns_beside_a_figure(parser: Parser, tmp_path: Path) -> None:
    """The left column continues below a figure; the right one has no gap."""
    left, right = set_in(LEFT, 34), set_in(f"{RIGHT} {THIRD}", 34)
    left[3:3] = [""] * 4
    content = rows([left, right], [40, 300])
    assert read(parser, tmp_path, content) == f"{LEFT} {RIGHT} {THIRD}"


def test_word_parted_at_the_end_of_a_line_in_a_column(parser: Parser, tmp_path: Path) -> None:
    left = ["the tramway had an electrifi-", *set_in(LEFT.lower(), 34)]
    left[1] = "cation of its " + left[1]
    text = read(parser, tmp_path, rows([left, set_in(RIGHT, 34)], [40, 300]))
    assert "an electrification of its" in text


TABLES = {
    "prices": [
        ("Smoked mackerel roll", "38"),
        ("Lobster soup", "124"),
        ("Espresso", "9"),
        ("Cake", "27"),
        ("Tea", "4"),
    ],
    "names and places": [
        ("Ebenezer Thornbury", "Keeper of the light at Skerry"),
        ("Lavinia Proudfoot", "Engineer of the railway"),
        ("Crispin Mallard", "Chandler at the quay"),
        ("Araminta Voss", "Mistress of the ferry"),
        ("Ottoline Finch", "Counts puffins"),
    ],
    "settings": [
        ("listen_port", "the port that the server listens on"),
        ("max_pages", "how many pages a file may have"),
        ("ocr_seconds", "what one page may take"),
        ("languages", "which letters are expected"),
        ("depth", "of files in files"),
    ],
}


@pytest.mark.parametrize("what", TABLES)
def test_table_without_lines_keeps_its_rows(parser: Parser, tmp_path: Path, what: str) -> None:
    table = list(zip(*TABLES[what], strict=True))
    text = read(parser, tmp_path, rows(table, [40, 300]))
    assert text == " ".join(f"{name} {value}" for name, value in TABLES[what])


def test_columns_drawn_one_after_the_other_stay(parser: Parser, tmp_path: Path) -> None:
    content = rows([set_in(LEFT, 34)], [40]) + rows([set_in(RIGHT, 34)], [300])
    assert read(parser, tmp_path, content) == f"{LEFT} {RIGHT}"


def turned(text: str, degrees: int) -> str:
    """Lines that are upright once their page is rotated clockwise."""
    ways: dict[int, tuple[str, Callable[[int], tuple[int, int]]]] = {
        90: ("0 1 -1 0", lambda n: (100 + 14 * n, 40)),
        180: ("-1 0 0 -1", lambda n: (560, 100 + 14 * n)),
        270: ("0 -1 1 0", lambda n: (500 - 14 * n, 760)),
    }
    matrix, start = ways[degrees]
    return "".join(
        f"BT /F 10 Tf {matrix} {start(n)[0]} {start(n)[1]} Tm ({line}) Tj ET\n"
        for n, line in enumerate(set_in(text, 60))
    )


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("entry", [True, False])
def test_turned_page_is_read_from_its_first_word_to_its_last(
    parser: Parser, tmp_path: Path, degrees: int, entry: bool
) -> None:
    """With and without the /Rotate entry that displays it upright."""
    text = read(parser, tmp_path, turned(f"{LEFT} {RIGHT}", degrees), f"/Rotate {degrees}" if entry else "")
    assert text == f"{LEFT} {RIGHT}"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_columns_on_a_turned_page(parser: Parser, tmp_path: Path, degrees: int) -> None:
    places: dict[int, Callable[[int, int], tuple[str, int, int]]] = {
        90: lambda x, y: ("0 1 -1 0", 800 - y, x),
        180: lambda x, y: ("-1 0 0 -1", 600 - x, 800 - y),
        270: lambda x, y: ("0 -1 1 0", y, 800 - x),
    }
    place = places[degrees]
    columns = [set_in(LEFT, 34), set_in(RIGHT, 34)]
    content = ""
    for n in range(max(map(len, columns))):
        for column, x in zip(columns, (40, 300), strict=True):
            if n < len(column):
                matrix, e, f = place(x, 700 - 13 * n)
                content += f"BT /F 10 Tf {matrix} {e} {f} Tm ({column[n]}) Tj ET\n"
    assert read(parser, tmp_path, content, f"/Rotate {degrees}") == f"{LEFT} {RIGHT}"
