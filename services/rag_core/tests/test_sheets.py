"""Workbooks as people keep them: merged cells, notes, gaps, titles, wide tables, formulas and charts."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment

from rag_core.extract import Block, Item, Limits, Note, Parser
from rag_core.models import DocumentKind

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def book(path: Path, fill: Callable[[Any], None]) -> Path:
    made = openpyxl.Workbook()
    fill(made.active)
    made.save(path)
    return path


def read(parser: Parser, path: Path) -> tuple[str, list[Note]]:
    items: list[Item] = list(parser.parse(path, DocumentKind.XLSX))
    text = "\n".join(one.text for one in items if isinstance(one, Block))
    return text, [one for one in items if isinstance(one, Note)]


def edit(path: Path, changes: dict[str, Callable[[str], str]], more: dict[str, str] | None = None) -> Path:
    """Change the markup of parts of the workbook, and add parts."""
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    for name, change in changes.items():
        parts[name] = change(parts[name].decode()).encode()
    with zipfile.ZipFile(path, "w") as whole:
        for name, content in (parts | {k: v.encode() for k, v in (more or {}).items()}).items():
            whole.writestr(name, content)
    return path


@pytest.mark.parametrize("last", [3, 4, 9])
def test_a_cell_over_several_rows_stands_in_each(parser: Parser, tmp_path: Path, last: int) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Customer", "Item"])
        for n in range(2, 11):
            sheet.append(["Amberley" if n == 2 else f"Other {n}" if n > last else None, f"item {n}"])
        sheet.merge_cells(start_row=2, start_column=1, end_row=last, end_column=1)

    text, _ = read(parser, book(tmp_path / "m.xlsx", fill))
    for n in range(2, last + 1):
        assert f"| Amberley | item {n} |" in text
    assert text.count("Amberley") == last - 1


@pytest.mark.parametrize("place", ["B2", "A3", "D9"])
def test_note_is_read_with_its_cell(parser: Parser, tmp_path: Path, place: str) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Quay", "Fee"])
        sheet.append(["North", 5])
        sheet.append(["South", 6])
        sheet[place].comment = Comment("due at Candlemas", "Ada")

    text, notes = read(parser, book(tmp_path / "n.xlsx", fill))
    assert text.count("(note: due at Candlemas)") == 1
    assert "comment" in {note.part.value for note in notes}


@pytest.mark.parametrize("gap", [30, 1_600, 5_000])
def test_rows_after_many_blank_ones_are_read(parser: Parser, tmp_path: Path, gap: int) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Quay", "Fee"])
        sheet.append(["North", 5])
        sheet.cell(gap, 1, "Anchor of the Halcyon")

    assert "Anchor of the Halcyon" in read(parser, book(tmp_path / "g.xlsx", fill))[0]


@pytest.mark.parametrize("lines", [["Fees of 2026"], ["Fees", "in crowns", "by quay"], ["Fees", ""]])
def test_titles_above_a_table_are_not_its_head(parser: Parser, tmp_path: Path, lines: list[str]) -> None:
    def fill(sheet: Any) -> None:
        for row in [*([line] for line in lines), ["Quay", "Ship", "Fee"], ["North", "Heron", 5]]:
            sheet.append(row)

    text, _ = read(parser, book(tmp_path / "t.xlsx", fill))
    assert "| Quay | Ship | Fee |\n| --- | --- | --- |\n| North | Heron | 5 |" in text
    assert f"\n{lines[0]}\n" in text


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_parts_of_a_wide_table_keep_the_head_and_the_first_column(
    parser: Parser, tmp_path: Path, columns: int
) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Station", *(f"Reading of kind {n}" for n in range(columns))])
        sheet.append(["Fish quay", *range(5_000, 5_000 + columns)])

    path = book(tmp_path / "w.xlsx", fill)
    blocks = [one.text for one in parser.parse(path, DocumentKind.XLSX) if isinstance(one, Block)]
    [last] = [text for text in blocks if f"Reading of kind {columns - 1} |" in text]
    assert last.startswith("| Station |")
    assert "| Fish quay |" in last
    assert f" {4_999 + columns} |" in last


@pytest.mark.parametrize("formula", ["=A2*2", "=SUM(A2:A2)", '=IF(A2>1,"many","few")'])
def test_formula_that_was_never_calculated_is_shown_and_named(
    parser: Parser, tmp_path: Path, formula: str
) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Fee", "Double"])
        sheet.append([5, formula])

    text, notes = read(parser, book(tmp_path / "f.xlsx", fill))
    assert f"| 5 | {formula} |" in text
    assert [n.message for n in notes if not n.read] == [
        "sheet Sheet: 1 formula was never calculated; open the workbook in a spreadsheet program and save it"
    ]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_sheet_is_read_and_named(parser: Parser, tmp_path: Path, state: str) -> None:
    made = openpyxl.Workbook()
    made.active["A1"] = "seen"
    other = made.create_sheet("Costs")
    other["A1"], other.sheet_state = "Halcyon", state
    made.save(tmp_path / "h.xlsx")
    text, notes = read(parser, tmp_path / "h.xlsx")
    assert "Halcyon" in text
    assert any("sheet Costs is hidden" in note.message for note in notes)


def test_sheet_that_the_file_lacks_is_named(parser: Parser, tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active["A1"] = "Halcyon"
    made.create_sheet("Costs")["A1"] = "gone"
    made.save(tmp_path / "l.xlsx")
    with zipfile.ZipFile(tmp_path / "l.xlsx") as whole, zipfile.ZipFile(tmp_path / "x.xlsx", "w") as less:
        for name in whole.namelist():
            if name != "xl/worksheets/sheet2.xml":
                less.writestr(name, whole.read(name))
    text, notes = read(parser, tmp_path / "x.xlsx")
    assert "Halcyon" in text
    assert any(not note.read and "sheet Costs" in note.message for note in notes)


def charted(path: Path) -> Path:
    def fill(sheet: Any) -> None:
        for row in (["Fish", "Caught"], ["Herring", 412], ["Cod", 77]):
            sheet.append(row)
        chart = BarChart()
        chart.title = "Catch of the year"
        chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
        chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=3))
        sheet.add_chart(chart, "D2")

    return book(path, fill)


def test_chart_gives_its_title(parser: Parser, tmp_path: Path) -> None:
    text, _ = read(parser, charted(tmp_path / "c.xlsx"))
    assert "Catch of the year" in text


@pytest.mark.parametrize("words", [["vermilion flare"], ["vermilion", "flare"], ["A & B"]])
def test_text_box_is_read(parser: Parser, tmp_path: Path, words: list[str]) -> None:
    from xml.sax.saxutils import escape

    lines = "".join(f"<a:p><a:r><a:t>{escape(one)}</a:t></a:r></a:p>" for one in words)
    box = f"<xdr:twoCellAnchor><xdr:sp><xdr:txBody>{lines}</xdr:txBody></xdr:sp></xdr:twoCellAnchor>"
    prefixes = (
        'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"'
        ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    )
    path = edit(
        charted(tmp_path / "b.xlsx"),
        {"xl/drawings/drawing1.xml": lambda _: f"<xdr:wsDr {prefixes}>{box}</xdr:wsDr>"},
    )
    text, notes = read(parser, path)
    assert "\n".join(words) in text
    assert "text_box" in {note.part.name.lower() for note in notes}


@pytest.mark.parametrize("expected", [["Is it paid?"], ["Is it paid?", "On Monday"], ["One", "Two", "Three"]])
def test_threaded_comments_are_read_with_their_writers(
    parser: Parser, tmp_path: Path, expected: list[str]
) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Quay", "Fee"])
        sheet.append(["North", 5])
        sheet["B2"].comment = Comment("[Threaded comment] open in a newer version", "Ada")

    space = "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"
    thread = "".join(
        f'<threadedComment ref="B2" personId="p" id="{n}"><text>{one}</text></threadedComment>'
        for n, one in enumerate(expected)
    )
    kind = "http://schemas.microsoft.com/office/2017/10/relationships/threadedComment"
    link = f'<Relationship Id="t1" Type="{kind}" Target="../threadedComments/threadedComment1.xml"/>'
    path = edit(
        book(tmp_path / "t.xlsx", fill),
        {
            "xl/worksheets/_rels/sheet1.xml.rels": lambda rels: re.sub(
                "</Relationships>", f"{link}</Relationships>", rels
            )
        },
        {
            "xl/threadedComments/threadedComment1.xml": (
                f'<ThreadedComments xmlns="{space}">{thread}</ThreadedComments>'
            ),
            "xl/persons/person.xml": (
                f'<personList xmlns="{space}"><person displayName="Bo Aho" id="p"/></personList>'
            ),
        },
    )
    text, _ = read(parser, path)
    assert f"5 (note: {'; '.join(f'Bo Aho: {one}' for one in expected)})" in text


def test_headers_and_footers_of_a_sheet_are_read_once(parser: Parser, tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = "North"
        sheet.oddHeader.left.text, sheet.oddHeader.left.size = "Harbour dues & fees", 12
        sheet.oddHeader.right.text = "Page &P of &N"
        sheet.oddFooter.center.text = "Restricted"
        sheet.evenFooter.center.text = "Restricted"

    text, notes = read(parser, book(tmp_path / "h.xlsx", fill))
    assert text == "Sheet\nNorth\nHarbour dues & fees Page of\nRestricted"
    assert sum(note.part.value == "running line" for note in notes) == 2


@pytest.mark.parametrize("line", ["Page &P of &N", "&D &T", "&F", "Seite &P"])
def test_numbers_of_pages_are_not_read(parser: Parser, tmp_path: Path, line: str) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = "North"
        sheet.oddFooter.center.text = line

    assert read(parser, book(tmp_path / "h.xlsx", fill))[0] == "Sheet\nNorth"


@pytest.mark.parametrize(
    ("shown", "address", "read_as"),
    [
        ("dues", "https://example.org/dues?a=1&b=2", "dues (https://example.org/dues?a=1&b=2)"),
        ("the clerk", "mailto:clerk@example.org", "the clerk (mailto:clerk@example.org)"),
        ("https://example.org/", "https://example.org/", "https://example.org/"),
        ("the file", "dues.xlsx", "the file"),
    ],
)
def test_address_behind_a_cell_is_read(
    parser: Parser, tmp_path: Path, shown: str, address: str, read_as: str
) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = shown
        sheet["A1"].hyperlink = address

    assert read(parser, book(tmp_path / "l.xlsx", fill))[0] == f"Sheet\n{read_as}"


@pytest.mark.parametrize("value", [123456789012345, 1234567890.25, 4111111111111111])
def test_large_numbers_keep_their_figures(parser: Parser, tmp_path: Path, value: float) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = value

    text, _ = read(parser, book(tmp_path / "n.xlsx", fill))
    assert float(text.removeprefix("Sheet\n")) == pytest.approx(value, rel=1e-14)
    assert "E" not in text or value >= 1e15


def test_axes_and_series_of_a_chart_are_read(parser: Parser, tmp_path: Path) -> None:
    def titled(markup: str) -> str:
        rich = "<c:tx><c:rich><a:p><a:r><a:t>Price in crowns</a:t></a:r></a:p></c:rich></c:tx>"
        title = f'<c:title xmlns:c="{chart}" xmlns:a="{drawing}">{rich}</c:title>'
        return re.sub(r"(<(?:\w+:)?valAx>)", rf"\1{title}", markup)

    chart = "http://schemas.openxmlformats.org/drawingml/2006/chart"
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    path = edit(charted(tmp_path / "a.xlsx"), {"xl/charts/chart1.xml": titled})
    assert "Axes of the chart Catch of the year: Price in crowns" in read(parser, path)[0]
