"""Ruled tables in PDFs become Markdown tables, with each word once and on its page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import TableBordersLayout

from rag_core.extract import Block, BlockKind, Parser
from rag_core.extract.chunk import Chunker
from rag_core.text import tokens
from services.rag_core.tests.pdfs import LIMITS, blocks, cells, drawn, grid, line, said

Read = Callable[..., list[Block]]
ROWS = [["Harbour", "Depth", "Tide"], ["Husum", "2 m", "3.5 m"], ["Emden", "9 m", "3.1 m"]]
MARKDOWN = "| Harbour | Depth | Tide |\n| --- | --- | --- |\n| Husum | 2 m | 3.5 m |\n| Emden | 9 m | 3.1 m |"


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


@pytest.fixture
def read(parser: Parser, tmp_path: Path) -> Read:
    """Write content to a one-page PDF and return its blocks."""

    def act(content: str, more: str = "") -> list[Block]:
        path = tmp_path / "drawn.pdf"
        path.write_bytes(drawn(content, more))
        return blocks(parser, path)

    return act


def tables(found: list[Block]) -> list[str]:
    return [b.text for b in found if b.kind is BlockKind.TABLE]


XS = [50.0, 150, 250, 350]
YS = [700.0, 680, 660, 640]
TABLE = grid(XS, YS) + cells(ROWS, XS, YS[:-1])


def written(path: Path, rows: list[list[str]], layout: TableBordersLayout, copies: int = 1) -> Path:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=10)
    for _ in range(copies):
        pdf.add_page()
        pdf.multi_cell(0, 6, "Before the table.", new_x="LMARGIN", new_y="NEXT")
        with pdf.table(borders_layout=layout) as table:
            for row in rows:
                table.row(row)
        pdf.multi_cell(0, 6, "After the table.", new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(path))
    return path


@pytest.mark.parametrize("layout", [TableBordersLayout.ALL, TableBordersLayout.INTERNAL])
def test_table_stands_between_its_texts_with_and_without_a_frame(
    parser: Parser, tmp_path: Path, layout: TableBordersLayout
) -> None:
    found = blocks(parser, written(tmp_path / "t.pdf", ROWS, layout, copies=2))
    assert [(b.kind, b.text, b.page) for b in found] == [
        (kind, text, page)
        for page in (1, 2)
        for kind, text in (
            (BlockKind.TEXT, "Before the table."),
            (BlockKind.TABLE, MARKDOWN),
            (BlockKind.TEXT, "After the table."),
        )
    ]


def test_lines_drawn_as_thin_boxes_are_lines(read: Read) -> None:
    """Office programs draw a line as a filled box half a point thick."""
    across = "".join(f"{XS[0]} {y} {XS[-1] - XS[0]} 0.5 re f\n" for y in YS)
    down = "".join(f"{x} {YS[-1]} 0.5 {YS[0] - YS[-1]} re f\n" for x in XS)
    assert tables(read(across + down + cells(ROWS, XS, YS[:-1]))) == [MARKDOWN]


def test_boxes_side_by_side_are_a_table(read: Read) -> None:
    boxes = "".join(f"{x} {y} 100 20 re S\n" for x in XS[:-1] for y in YS[1:])
    assert tables(read(boxes + cells(ROWS, XS, YS[:-1]))) == [MARKDOWN]


def test_table_under_a_scaled_and_shifted_drawing_is_found(read: Read) -> None:
    """Browsers draw in their own units."""
    content = f"q 0.5 0 0 -0.5 20 760 cm\n{grid([60, 260, 460], [120, 160, 200])}Q\n"
    content += cells([["a", "b"], ["c", "d"]], [50, 150], [700, 680])
    assert tables(read(content)) == ["| a | b |\n| --- | --- |\n| c | d |"]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_page_turned_for_reading_has_its_rows_as_they_are_seen(read: Read, degrees: int) -> None:
    turn = {90: "0 1 -1 0 600 0", 180: "-1 0 0 -1 600 800", 270: "0 -1 1 0 0 800"}[degrees]
    found = read(f"q {turn} cm 1 0 0 1 0 -150 cm\n{TABLE}Q", f"/Rotate {degrees}")
    assert tables(found) == [MARKDOWN]


def test_cells_that_no_line_parts_are_one(read: Read) -> None:
    """A header over two columns beside one over two rows: each text appears once, in its first cell."""
    ys = [700, 680, 660, 640]
    lines = "".join(line(50, y, 350, y) for y in (700, 660, 640)) + line(150, 680, 350, 680)
    lines += "".join(line(x, 700, x, 640) for x in (50, 150, 350)) + line(250, 680, 250, 640)
    rows = [["", "Tides", ""], ["Place", "spring", "neap"], ["Husum", "3.9", "3.0"]]
    assert tables(read(lines + cells(rows, XS[:-1], ys[:-1]))) == [
        "| Place | Tides |  |\n| --- | --- | --- |\n|  | spring | neap |\n| Husum | 3.9 | 3.0 |"
    ]


def test_row_over_the_whole_width_is_the_tables_title(read: Read) -> None:
    lines = grid(XS, YS) + line(50, 720, 350, 720) + line(50, 700, 50, 720) + line(350, 700, 350, 720)
    found = read(lines + said("Harbours of the coast", 120, 707) + cells(ROWS, XS, YS[:-1]))
    assert [(b.kind, b.text) for b in found] == [
        (BlockKind.TEXT, "Harbours of the coast"),
        (BlockKind.TABLE, MARKDOWN),
    ]


def test_rows_that_no_line_parts_are_told_apart_by_the_first_column(read: Read) -> None:
    """Many programs rule only the header and the columns; a longer text continues in its own row."""
    lines = grid([50, 150, 350], [700, 680, 600])
    text = cells([["Harbour", "Remark"]], [50, 150], [700])
    text += cells(
        [["Husum", "dry at low water,"], ["", "mud"], ["Emden", "lock"]], [50, 150], [680, 667, 654]
    )
    assert tables(read(lines + text)) == [
        "| Harbour | Remark |\n| --- | --- |\n| Husum | dry at low water, mud |\n| Emden | lock |"
    ]


def test_text_that_goes_on_in_its_cell_stays_in_its_row(read: Read) -> None:
    lines = grid([50, 150, 350], [700, 680, 640, 620])
    text = cells(
        [["Harbour", "Remark"], ["Husum", "dry at low"], ["on Sea", "water"], ["Emden", "lock"]],
        [50, 150],
        [700, 680, 667, 640],
    )
    assert tables(read(lines + text)) == [
        "| Harbour | Remark |\n| --- | --- |\n| Husum on Sea | dry at low water |\n| Emden | lock |"
    ]


def test_groups_of_rows_between_lines_are_told_apart(read: Read) -> None:
    """A band whose cells all have the same number of lines, three or more, contains that many rows."""
    tops = [700, 680, 667, 654, 634, 621, 608]
    rows = [["Harbour", "Depth"], *([f"Place {n}", f"{n} m"] for n in range(6))]
    lines = grid([50, 150, 250], [700, 680, 637, 590])
    found = tables(read(lines + cells(rows, [50, 150], tops)))
    assert [line.count("Place") for line in found[0].split("\n")[2:]] == [1] * 6


@pytest.mark.parametrize(("cell", "kept"), [("a|b", "a\\|b"), ("page . . . . . 7", "page . . . . . 7")])
def test_cells_keep_what_would_be_marks_elsewhere(read: Read, cell: str, kept: str) -> None:
    """A bar would split the cell; dots and a number look like a line of a table of contents."""
    content = grid([50, 150, 250], [700, 680, 660]) + cells([["k", "v"], ["1", cell]], [50, 150], [700, 680])
    assert tables(read(content)) == [f"| k | v |\n| --- | --- |\n| 1 | {kept} |"]


def test_tables_under_each_other_keep_their_own_columns(read: Read) -> None:
    """Their borders are two points apart, close enough for two strokes to be merged into one line."""
    content, expected = "", []
    for number, xs in enumerate(([52, 152, 252, 352], [50, 150, 250, 350])):
        ys = [700 - 200 * number, 680 - 200 * number, 660 - 200 * number]
        rows = [[f"{name}{number}" for name in "abc"], [f"{name}{number}" for name in "def"]]
        content += grid(xs, ys) + cells(rows, xs[:-1], ys[:-1])
        expected.append("\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * 3, rows[1])))
    assert tables(read(content)) == expected


def test_words_beside_a_table_stay_text(read: Read) -> None:
    found = read(TABLE + said("Seen from the sea", 400, 667))
    assert tables(found) == [MARKDOWN]
    assert [b.text for b in found if b.kind is BlockKind.TEXT] == ["Seen from the sea"]


def test_table_that_goes_on_overleaf_has_its_head_there(parser: Parser, tmp_path: Path) -> None:
    rows = [["Harbour", "Depth"], *([f"Place {n}", f"{n} m"] for n in range(60))]
    pdf = FPDF()
    pdf.set_font("Helvetica", size=10)
    pdf.add_page()
    with pdf.table(first_row_as_headings=False) as table:
        for row in rows:
            table.row(row)
    pdf.output(str(tmp_path / "long.pdf"))
    found = [b for b in blocks(parser, tmp_path / "long.pdf") if b.kind is BlockKind.TABLE]
    assert [b.page for b in found] == [1, 2]
    assert all(b.text.startswith("| Harbour | Depth |\n| --- | --- |\n| Place") for b in found)
    assert re.findall(r"Place (\d+)", "".join(b.text for b in found)) == [str(n) for n in range(60)]


def test_head_that_is_printed_again_overleaf_is_not_doubled(parser: Parser, tmp_path: Path) -> None:
    rows = [["Harbour", "Depth"], *([f"Place {n}", f"{n} m"] for n in range(60))]
    path = written(tmp_path / "again.pdf", rows, TableBordersLayout.ALL)
    found = [b.text for b in blocks(parser, path) if b.kind is BlockKind.TABLE]
    assert [text.count("Harbour") for text in found] == [1, 1]


def test_wide_and_long_tables_fit_the_embedder(parser: Parser, tmp_path: Path) -> None:
    rows = [[f"Column {c}" for c in range(8)], *([f"value {r} of {c}" for c in range(8)] for r in range(80))]
    found = blocks(parser, written(tmp_path / "wide.pdf", rows, TableBordersLayout.ALL))
    chunks = list(Chunker(240).chunks(found))
    assert all(tokens.count(c.embedded) + tokens.WRAPPING <= 240 for c in chunks)
    parts = [c.text[c.text.index("|") :] for c in chunks if "value" in c.text]
    assert len(parts) > 10
    assert all(part.startswith("| Column 0 |") for part in parts)


def test_tables_of_figures_on_each_page_do_not_run(parser: Parser, tmp_path: Path) -> None:
    """The same table with other figures appears at the same place each month, so it is no running header."""
    pdf = FPDF()
    pdf.set_font("Helvetica", size=10)
    for month in range(1, 7):
        pdf.add_page()
        with pdf.table() as table:
            for row in [["Day", "Depth"], *([str(day), f"{month}.{day}"] for day in range(1, 8))]:
                table.row(row)
        for n in range(5):
            pdf.multi_cell(0, 6, f"Remark {month * n}: all is well.", new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(tmp_path / "months.pdf"))
    found = tables(blocks(parser, tmp_path / "months.pdf"))
    assert len(found) == 6
    assert all(f"{month}.7" in text for month, text in enumerate(found, 1))


def test_head_of_a_form_on_each_page_runs(parser: Parser, tmp_path: Path) -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=10)
    for number in range(1, 6):
        pdf.add_page()
        with pdf.table(first_row_as_headings=False) as table:
            table.row(["Harbour office", "Form 7"])
            table.row(["Edition of May", f"Sheet {number} of 5"])
        for word in ("ebb", "flood", "slack", "spring", "neap"):
            pdf.multi_cell(
                0, 6, f"What is said of {word} on sheet {number * 7}.", new_x="LMARGIN", new_y="NEXT"
            )
    pdf.output(str(tmp_path / "form.pdf"))
    found = blocks(parser, tmp_path / "form.pdf")
    assert len(tables(found)) == 1
    assert " ".join(b.text for b in found).count("Harbour office") == 1
