"""Presentations from practice: no content of a shape breaks the rest of the deck."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pptx
import pytest
from pptx.enum.chart import XL_CHART_TYPE
from pptx.enum.shapes import PROG_ID
from pptx.util import Inches

from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests.reading import read, unread
from services.rag_core.tests.slide_markup import (
    DRAWING,
    FIRST,
    PLACE,
    RELATIONS,
    SLIDE,
    box,
    charted,
    deck,
    edit,
    frame,
    last,
    nothing,
    put,
)


@pytest.mark.parametrize("layout", [0, 5])
def test_slide_of_a_title_alone_is_a_heading(tmp_path: Path, layout: int) -> None:
    text, _ = read(deck(tmp_path / "t.pptx", nothing, nothing, layout=layout))
    assert text == "Catch 1\nCatch 2"


# --- what python-pptx does not know ----------------------------------------------------------------

STRANGE = {
    "a chart that is cut": lambda name: name.startswith("ppt/charts/chart"),
    "a workbook that is none": lambda name: name.startswith("ppt/embeddings/"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_damaged_part_of_a_chart_costs_only_itself(tmp_path: Path, what: str) -> None:
    path = deck(tmp_path / "d.pptx", charted(XL_CHART_TYPE.PIE), last)
    name = next(filter(STRANGE[what], zipfile.ZipFile(path).namelist()))
    edit(path, {}, {name: b"<c:chartSpace"})
    assert "Wilhelmina Scrope" in read(path)[0]


def test_part_that_is_not_there_costs_only_itself(tmp_path: Path) -> None:
    path = deck(tmp_path / "m.pptx", charted(XL_CHART_TYPE.PIE), last)
    rels = "ppt/slides/_rels/slide1.xml.rels"
    text, notes = read(edit(path, {rels: lambda markup: markup.replace("../charts/", "../gone/")}))
    assert "Wilhelmina Scrope" in text
    assert any("slide 1: Chart" in message for message in unread(notes))


def test_slide_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = deck(tmp_path / "m.pptx", nothing, last)
    rels = "ppt/_rels/presentation.xml.rels"
    text, notes = read(edit(path, {rels: lambda markup: markup.replace("slides/slide1.xml", "NULL")}))
    assert "Wilhelmina Scrope" in text
    assert any(message.startswith("slide 1 is missing or damaged") for message in unread(notes))


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (FIRST, "slide 1 is missing or damaged"),
        ("ppt/notesSlides/notesSlide1.xml", "slide 1: notes could not be read"),
        ("ppt/slideLayouts/slideLayout6.xml", "background could not be read"),
    ],
)
def test_damaged_slide_or_notes_cost_only_themselves(tmp_path: Path, part: str, named: str) -> None:
    def noted(slide: Any) -> None:
        slide.notes_slide.notes_text_frame.text = "Mention it."

    path = deck(tmp_path / "d.pptx", noted, last)
    text, notes = read(edit(path, {part: lambda markup: markup[: len(markup) // 2]}))
    assert "Wilhelmina Scrope" in text
    assert any(named in message for message in unread(notes))


PEN = (
    '<p:contentPart r:id="rId1"><p14:nvContentPartPr xmlns:p14="urn:x"><p:cNvPr id="9" name="Ink 8"/>'
    "</p14:nvContentPartPr></p:contentPart>"
)


@pytest.mark.parametrize("deep", [0, 1, 25])
def test_drawing_of_a_pen_costs_nothing_and_is_counted(tmp_path: Path, deep: int) -> None:
    names = '<p:nvGrpSpPr><p:cNvPr id="5" name="Group"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
    group = f"<p:grpSp>{names}<p:grpSpPr/>"

    def fill(slide: Any) -> None:
        put(slide, f"{group * deep}{PEN}{box('Araminta Voss')}{'</p:grpSp>' * deep}" if deep else PEN)
        last(slide)

    text, notes = read(deck(tmp_path / "i.pptx", fill))
    assert "Wilhelmina Scrope" in text
    assert "Araminta Voss" in text or not deep
    assert unread(notes) == ["slide 1: a picture without a description, not read"]


@pytest.mark.parametrize("attribute", ['type="tomorrow"', 'idx="none"', 'orient="askew"'])
def test_placeholder_of_an_unknown_kind_is_read(tmp_path: Path, attribute: str) -> None:
    odd = box("Araminta Voss").replace("<p:nvPr/>", f"<p:nvPr><p:ph {attribute}/></p:nvPr>")
    text, notes = read(deck(tmp_path / "p.pptx", lambda slide: put(slide, odd), last))
    assert "Wilhelmina Scrope" in text
    assert "Araminta Voss" in text or unread(notes)


def test_what_newer_programs_show_is_read_once(tmp_path: Path) -> None:
    choice = (
        f'<mc:AlternateContent><mc:Choice Requires="x">{box("7,000 cubic metres")}</mc:Choice>'
        f"<mc:Fallback>{box('7,000 cubic metres')}</mc:Fallback></mc:AlternateContent>"
    )
    text, _ = read(deck(tmp_path / "a.pptx", lambda slide: put(slide, choice)))
    assert text.count("7,000 cubic metres") == 1


def test_equation_is_read_in_its_line(tmp_path: Path) -> None:
    math = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    typed = (
        "<a:r><a:t>Power </a:t></a:r><a14:m xmlns:a14='urn:a14'>"
        f'<m:oMath xmlns:m="{math}"><m:r><m:t>P=gQh</m:t></m:r></m:oMath></a14:m>'
    )
    shape = box("X").replace("<a:r><a:t>X</a:t></a:r>", typed)
    assert "Power P=gQh" in read(deck(tmp_path / "e.pptx", lambda slide: put(slide, shape)))[0]


# --- kinds of files --------------------------------------------------------------------------------

TYPES = {
    "ppsx": "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
    "potx": "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
    "pptm": "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
    "ppsm": "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "potm": "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
}


@pytest.mark.parametrize("ending", TYPES)
def test_shows_and_templates_are_read(tmp_path: Path, ending: str) -> None:
    usual = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    path = deck(tmp_path / f"s.{ending}", last)
    edit(path, {"[Content_Types].xml": lambda markup: markup.replace(usual, TYPES[ending])})
    assert sniff(path, path.name) is DocumentKind.PPTX
    assert "Wilhelmina Scrope" in read(path)[0]


# --- beside the slide ------------------------------------------------------------------------------


def test_shapes_of_a_group_are_read_in_its_place(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        slide.shapes.add_textbox(0, Inches(5), 9, 9).text_frame.text = "third"
        group = slide.shapes.add_group_shape()
        for top, words in ((4, "second"), (3, "first")):
            group.shapes.add_textbox(0, Inches(top), 9, 9).text_frame.text = words

    assert read(deck(tmp_path / "g.pptx", fill))[0] == "Catch 1\nfirst\nsecond\nthird"


def test_cell_over_several_rows_stands_in_each(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        table = slide.shapes.add_table(3, 2, *PLACE).table
        for row, (customer, item) in enumerate([("Customer", "Item"), ("Amberley", "rope"), ("", "tar")]):
            table.cell(row, 0).text, table.cell(row, 1).text = customer, item
        table.cell(1, 0).merge(table.cell(2, 0))

    assert "| Amberley | rope |\n| Amberley | tar |" in read(deck(tmp_path / "t.pptx", fill))[0]


def test_words_of_a_diagram_are_read(tmp_path: Path) -> None:
    space = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
    inner = f'<dgm:relIds xmlns:dgm="{space}" r:dm="rId77" r:lo="rId78"/>'
    path = deck(tmp_path / "d.pptx", lambda slide: put(slide, frame(space, inner)))
    point = '<dgm:pt modelId="{}"><dgm:t><a:p><a:r><a:t>{}</a:t></a:r></a:p></dgm:t></dgm:pt>'
    points = "".join(point.format(n, text) for n, text in enumerate(["Skipper", "Mate", "Boy"]))
    spaces = f'xmlns:dgm="{space}" xmlns:a="{DRAWING}"'
    model = f"<dgm:dataModel {spaces}><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>"
    kind = f"{RELATIONS}/diagramData"
    link = f'<Relationship Id="rId77" Type="{kind}" Target="../diagrams/data1.xml"/></Relationships>'
    rels = "ppt/slides/_rels/slide1.xml.rels"
    edit(
        path,
        {rels: lambda markup: markup.replace("</Relationships>", link)},
        {"ppt/diagrams/data1.xml": model.encode()},
    )
    assert "- Skipper\n- Mate\n- Boy" in read(path)[0]


def test_notes_are_read_with_their_tables(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        notes = slide.notes_slide
        notes.notes_text_frame.text = "Mention the Oystercatcher agreement."
        other = pptx.Presentation()
        source = other.slides.add_slide(other.slide_layouts[6]).shapes.add_table(1, 1, *PLACE)
        source.table.cell(0, 0).text = "Halcyon"
        notes.shapes._spTree.append(source.element)

    text, notes = read(deck(tmp_path / "n.pptx", fill))
    assert "Notes: Mention the Oystercatcher agreement." in text
    assert "| Halcyon |" in text
    assert "note" in {note.part.value for note in notes}


COMMENTS = {
    "older": (
        f"{RELATIONS}/comments",
        f'<p:cmLst xmlns:p="{SLIDE}"><p:cm authorId="0"><p:text>Is it paid?</p:text></p:cm></p:cmLst>',
        f'<p:cmAuthorLst xmlns:p="{SLIDE}"><p:cmAuthor id="0" name="Bo Aho"/></p:cmAuthorLst>',
        f"{RELATIONS}/commentAuthors",
        ["Comment by Bo Aho: Is it paid?"],
    ),
    "newer": (
        "http://schemas.microsoft.com/office/2018/10/relationships/comments",
        f'<x:cmLst xmlns:x="urn:x" xmlns:a="{DRAWING}">'
        '<x:cm authorId="{A}"><x:replyLst><x:reply authorId="{B}">'
        "<x:txBody><a:p><a:r><a:t>On Monday</a:t></a:r></a:p></x:txBody></x:reply></x:replyLst>"
        "<x:txBody><a:p><a:r><a:t>Is it paid?</a:t></a:r></a:p></x:txBody></x:cm></x:cmLst>",
        '<x:authorLst xmlns:x="urn:x">'
        '<x:author id="{A}" name="Bo Aho"/><x:author id="{B}" name="Ada"/></x:authorLst>',
        "http://schemas.microsoft.com/office/2018/10/relationships/authors",
        ["Comment by Bo Aho: Is it paid?", "Comment by Ada: On Monday"],
    ),
}


@pytest.mark.parametrize("age", COMMENTS)
def test_comments_are_read_with_their_writers(tmp_path: Path, age: str) -> None:
    kind, content, people, kind_of_people, expected = COMMENTS[age]

    def link(kind: str, target: str) -> Callable[[str], str]:
        one = f'<Relationship Id="rId77" Type="{kind}" Target="{target}"/></Relationships>'
        return lambda markup: markup.replace("</Relationships>", one)

    path = edit(
        deck(tmp_path / "c.pptx", nothing),
        {
            "ppt/slides/_rels/slide1.xml.rels": link(kind, "../comments/one.xml"),
            "ppt/_rels/presentation.xml.rels": link(kind_of_people, "people.xml"),
        },
        {"ppt/comments/one.xml": content.encode(), "ppt/people.xml": people.encode()},
    )
    text, notes = read(path)
    assert [line for line in text.split("\n") if "Comment" in line] == expected
    assert sum(note.part.value == "comment" for note in notes) == len(expected)


def test_hidden_slides_are_read_and_named_together(tmp_path: Path) -> None:
    def hide(slide: Any) -> None:
        slide.element.set("show", "0")
        last(slide)

    text, notes = read(deck(tmp_path / "h.pptx", hide, nothing, hide))
    assert text.count("Wilhelmina Scrope") == 2
    assert [one.message for one in notes] == ["slides 1, 3: hidden in a show, and read all the same"]


def workbook(words: str) -> bytes:
    made = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append([words, "12"])
    book.save(made)
    return made.getvalue()


def test_embedded_workbook_is_read_after_its_slide(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        kind = PROG_ID.XLSX
        slide.shapes.add_ole_object(io.BytesIO(workbook("Halcyon")), kind, 0, 0, 9, 9)
        last(slide)

    text, notes = read(deck(tmp_path / "o.pptx", fill))
    assert text.index("Wilhelmina Scrope") < text.index("Attachment:") < text.index("Halcyon")
    assert any(note.part.value == "attachment" and note.read for note in notes)


def test_embedded_file_that_nothing_reads_is_named(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        slide.shapes.add_ole_object(io.BytesIO(b"\x7fELF" + b"\0" * 99), "Package", 0, 0, 9, 9)

    _, notes = read(deck(tmp_path / "o.pptx", fill))
    assert any("was not read" in message and "a program" in message for message in unread(notes))


# --- what lies behind the slides -------------------------------------------------------------------


def behind(path: Path, part: str, words: str) -> Path:
    add = lambda markup: markup.replace("</p:spTree>", f"{box(words)}</p:spTree>", 1)  # noqa: E731
    return edit(path, {part: add})


@pytest.mark.parametrize("part", ["ppt/slideMasters/slideMaster1.xml", "ppt/slideLayouts/slideLayout6.xml"])
def test_text_behind_the_slides_is_read_once_and_no_placeholder_is(tmp_path: Path, part: str) -> None:
    text, _ = read(behind(deck(tmp_path / "b.pptx", nothing, nothing), part, "Harbour Trust, restricted"))
    assert text.count("Harbour Trust, restricted") == 1
    assert "Click to edit" not in text


def test_text_of_a_master_that_no_slide_shows_is_not_read(tmp_path: Path) -> None:
    path = deck(tmp_path / "b.pptx", lambda slide: slide.element.set("showMasterSp", "0"))
    assert "Harbour" not in read(behind(path, "ppt/slideMasters/slideMaster1.xml", "Harbour Trust"))[0]


@pytest.mark.parametrize(
    ("kind", "expected", "times"),
    [("ftr", "Draft of 3 March", 1), ("dt", "09.03.2026", 1), ("sldNum", "7", 0), ("ftr", "2026", 1)],
)
def test_footers_are_read_once_and_numbers_of_slides_are_not(
    tmp_path: Path, kind: str, expected: str, times: int
) -> None:
    footer = box(expected).replace("<p:nvPr/>", f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>')
    fills = [lambda slide: put(slide, footer)] * 3
    assert read(deck(tmp_path / "f.pptx", *fills))[0].count(expected) == times


def test_sound_and_video_are_named(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        slide.shapes.add_movie(io.BytesIO(b"x" * 99), 0, 0, 9, 9, mime_type="video/mp4")
        last(slide)

    _, notes = read(deck(tmp_path / "v.pptx", fill))
    assert any(message.startswith("slide 1: sound or video") for message in unread(notes))
