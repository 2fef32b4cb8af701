"""PDFs without bookmarks: lines larger or bolder than the body text become headings with a level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest
from fpdf import FPDF

from rag_core.extract import Block, BlockKind, Parser
from rag_core.extract.chunk import Chunker
from rag_core.extract.pdf import headings
from services.rag_core.tests.pdfs import LIMITS, blocks, drawn, said
from tests.eval import manuals

BODY = "The tide rises and falls twice a day, and the harbour rises and falls with it. " * 4


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


class Paper:
    """A PDF that is written line by line, without any bookmark."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pdf = FPDF()
        self.pdf.add_page()

    def line(self, text: str, size: float = 10, *, bold: bool = False, above: float = 0) -> Paper:
        """Add a paragraph `above` millimetres below the last."""
        self.pdf.set_font("Helvetica", "B" if bold else "", size)
        self.pdf.ln(above)
        self.pdf.multi_cell(0, size / 2, text, new_x="LMARGIN", new_y="NEXT")
        return self

    def page(self) -> Paper:
        """Start a new page."""
        self.pdf.add_page()
        return self

    def read(self, parser: Parser) -> list[Block]:
        """Parse the document."""
        self.pdf.output(str(self.path))
        return blocks(parser, self.path)


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "paper.pdf")


def heads(found: list[Block]) -> list[tuple[int, str, int]]:
    return [(b.level, b.text, b.page) for b in found if b.kind is BlockKind.HEADING]


def test_sizes_of_type_are_levels(parser: Parser, paper: Paper) -> None:
    paper.line("Tides", 20).line(BODY).line("Causes", 14).line(BODY).line("The moon", 12).line(BODY)
    paper.page().line("Harbours", 20).line(BODY).line("Depth", 14).line(BODY)
    assert heads(paper.read(parser)) == [
        (1, "Tides", 1),
        (2, "Causes", 1),
        (3, "The moon", 1),
        (1, "Harbours", 2),
        (2, "Depth", 2),
    ]


def test_headings_reach_the_chunks(parser: Parser, paper: Paper) -> None:
    found = paper.line("Tides", 20).line("Causes", 14).line(BODY).line("Uses", 14).line(BODY).read(parser)
    assert [c.title for c in Chunker(240).chunks(found)] == ["Tides > Causes", "Tides > Uses"]


def test_title_of_a_cover_puts_no_chapter_a_level_down(parser: Parser, paper: Paper) -> None:
    paper.line("A Book of Tides", 28).page()
    for title in ("Causes", "Uses", "Dangers"):
        paper.line(title, 16).line(BODY * 3).page()
    found = heads(paper.line("Index", 16).line(BODY * 3).read(parser))
    assert [level for level, title, _ in found if title != "A Book of Tides"] == [1, 1, 1, 1]


def test_size_that_comes_late_and_seldom_is_a_level_of_its_own(parser: Parser, paper: Paper) -> None:
    """The part titles of a long book are on pages that no sample includes."""
    for number in range(100):
        if number == 61:
            paper.line("Second Part", 22)
        paper.line(f"Chapter {number}", 14).line(BODY).page()
    levels = {title: level for level, title, _ in heads(paper.line(BODY).read(parser))}
    assert (levels["Second Part"], levels["Chapter 61"], levels["Chapter 90"]) == (1, 2, 2)


def test_bold_lines_with_air_above_are_the_lowest_headings(parser: Parser, paper: Paper) -> None:
    paper.line("Tides", 16).line(BODY).line("By night", bold=True, above=5).line(BODY)
    paper.line("Slack water", bold=True).line("is the time between two tides.").line(BODY)
    assert heads(paper.read(parser)) == [(1, "Tides", 1), (2, "By night", 1)]


@pytest.mark.parametrize(
    "line", ["slack", "Never sail by night.", "Harbours 17", "int depth)", "ebb, flood,"]
)
def test_bold_line_that_is_no_title_heads_nothing(parser: Parser, paper: Paper, line: str) -> None:
    found = paper.line(BODY).line(line, bold=True, above=5).line(BODY).read(parser)
    assert heads(found) == []
    assert line in " ".join(b.text for b in found)


@pytest.mark.parametrize("line", ["int depth, int tide)", "ebb, flood,"])
def test_larger_line_that_only_goes_on_heads_nothing(parser: Parser, paper: Paper, line: str) -> None:
    """Reference manuals set declarations larger, with the arguments' names smaller than their types."""
    assert heads(paper.line(BODY).line(line, 12).line(BODY).read(parser)) == []


def test_own_number_tells_the_level_where_sizes_do_not(parser: Parser, paper: Paper) -> None:
    for title in ("1 Tides", "1.1 Causes", "1.1.1 The moon", "2 Harbours"):
        paper.line(title, 14).line(BODY)
    assert [level for level, _, _ in heads(paper.read(parser))] == [1, 2, 3, 1]


def test_heading_over_two_lines_is_one(parser: Parser, paper: Paper) -> None:
    title = "What the harbour master of a small town on a shallow sea has to know of tides and winds"
    found = paper.line(BODY).line(title, 16).line(BODY).read(parser)
    assert heads(found) == [(1, title, 1)]


def test_two_headings_in_a_row_stay_two(parser: Parser, paper: Paper) -> None:
    found = paper.line(BODY).line("1 Tides", 14).line("1.1 Causes", 14).line(BODY).read(parser)
    assert [title for _, title, _ in heads(found)] == ["1 Tides", "1.1 Causes"]


def test_large_print_is_text(parser: Parser, paper: Paper) -> None:
    """More than three lines of large print are the text of a poster or an abstract."""
    found = paper.line(BODY * 4).line(BODY, 16).line(BODY * 4).read(parser)
    assert heads(found) == []
    assert "".join(b.text for b in found).count("twice a day") == 36


def test_first_letter_set_large_makes_no_heading(parser: Parser, tmp_path: Path) -> None:
    lines = "".join(
        said("and the harbour rises and falls with it twice a day", 60, y) for y in (700, 688, 676)
    )
    path = tmp_path / "initial.pdf"
    path.write_bytes(drawn(said("T", 40, 712, 30) + said("he tide rises and falls", 60, 712) + lines))
    assert heads(blocks(parser, path)) == []


def test_typed_page_among_scans_heads_nothing(parser: Parser, paper: Paper) -> None:
    """No sampled page has text then, so there is nothing to compare a line with."""
    paper.page().line("Seen by the harbour master.").line("In May", 14)
    for _ in range(98):
        paper.page()
    found = paper.read(parser)
    assert heads(found) == []
    assert "In May" in " ".join(b.text for b in found)


def test_stamp_along_the_side_heads_nothing(parser: Parser, tmp_path: Path) -> None:
    text = "".join(said("The harbour rises and falls with the tide", 60, 700 - 12 * n) for n in range(9))
    path = tmp_path / "stamp.pdf"
    path.write_bytes(drawn(f"BT /F 24 Tf 0 1 -1 0 30 200 Tm (Received in May) Tj ET\n{text}"))
    found = blocks(parser, path)
    assert heads(found) == []
    assert "Received in May" in " ".join(b.text for b in found)


@pytest.mark.parametrize("bookmarked", [False, True])
def test_heading_at_the_top_of_each_page_is_no_running_header(
    parser: Parser, paper: Paper, bookmarked: bool
) -> None:
    """Such headings differ only in their number, like running headers, but those are set in body type."""
    for number in range(3, 9):
        if bookmarked:
            paper.pdf.start_section(f"Release 4.{number}")
        paper.line(f"Harbour rules, sheet {number} of 40").line(f"Release 4.{number}", 14)
        for _ in range(3):
            paper.line(BODY)
        paper.page()
    found = paper.line(BODY).read(parser)
    assert [title for _, title, _ in heads(found)] == [f"Release 4.{number}" for number in range(3, 9)]
    assert " ".join(b.text for b in found).count("Harbour rules, sheet") == 1


def test_bookmarks_are_believed_rather_than_type(parser: Parser, paper: Paper) -> None:
    for title in ("Tides", "Harbours"):
        paper.pdf.start_section(title)
        paper.line(title, 14).line(BODY).line("A large remark", 18).line(BODY).page()
    assert heads(paper.line(BODY).read(parser)) == [(1, "Tides", 1), (1, "Harbours", 2)]


def test_bookmarks_of_a_single_page_are_no_outline(parser: Parser, paper: Paper) -> None:
    """Many programs create a single bookmark with the file's name."""
    paper.pdf.start_section("Tides")
    found = heads(paper.line("Tides", 18).line(BODY).page().line("Harbours", 18).line(BODY).read(parser))
    assert found == [(1, "Tides", 1), (1, "Harbours", 2)]


def test_appendix_is_one_heading_where_the_outline_only_says_its_letter(parser: Parser, paper: Paper) -> None:
    for letter, title in (("A", "Sources"), ("B", "Maps")):
        paper.pdf.start_section(f"{letter} {title}")
        paper.line(f"Appendix {letter} {title}", 14).line(BODY).page()
    found = paper.line(BODY).read(parser)
    assert [title for _, title, _ in heads(found)] == ["Appendix A Sources", "Appendix B Maps"]
    assert "Appendix" not in " ".join(b.text for b in found if b.kind is BlockKind.TEXT)


@pytest.mark.real
def test_headings_of_a_real_manual_are_found_without_its_outline(parser: Parser, tmp_path: Path) -> None:
    """Its outline is the ground truth; it omits the cover and ten unnumbered headings."""
    with pypdfium2.PdfDocument(manuals.r_introduction()) as whole, pypdfium2.PdfDocument.new() as bare:
        truth = headings.outline(whole)
        bare.import_pages(whole)
        bare.save(tmp_path / "bare.pdf")
    # As on the page: "Appendix A A sample session" there is "A A sample session" in the outline.
    expected = {
        (page, level, headings.key(f"Appendix {title}" if level == 1 and title[1] == " " else title))
        for page, titles in truth.items()
        for level, title in titles
    }
    found = {
        (page, level, headings.key(title))
        for level, title, page in heads(blocks(parser, tmp_path / "bare.pdf"))
    }
    assert len(expected) > 140
    assert len(expected & found) >= 0.98 * len(expected), sorted(expected - found)
    assert len(found - expected) <= 16, sorted(found - expected)
