"""OpenDocument sheets, slides and drawings; flat, encrypted and other files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rag_core.errors import UploadRefused
from rag_core.extract import Block
from rag_core.extract.blocks import Unreadable
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests.opendocument_markup import (
    MATH,
    REMARK,
    SPACES,
    framed,
    master,
    p,
    packed,
    page,
    row,
    sheet,
    text,
)
from services.rag_core.tests.reading import read, unread

# --- sheets ----------------------------------------------------------------------------------------


def test_sheet_is_read_like_a_workbook(tmp_path: Path) -> None:
    blank = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    rows = row("Fees of 2026") + row("Quay", "Fee") + row("North", "5") + blank + row("Anchor of the Halcyon")
    text, _ = read(packed(tmp_path / "s.ods", sheet(rows)))
    assert text == "Costs\nFees of 2026\n| Quay | Fee |\n| --- | --- |\n| North | 5 |\nAnchor of the Halcyon"


def test_cell_over_several_rows_stands_in_each(tmp_path: Path) -> None:
    over = f'<table:table-cell table:number-rows-spanned="2">{p("Amberley")}</table:table-cell>'
    rows = row("Customer", "Item") + row(over, "rope") + row("<table:covered-table-cell/>", "tar")
    text, _ = read(packed(tmp_path / "s.ods", sheet(rows)))
    assert "| Amberley | rope |\n| Amberley | tar |" in text


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ('office:value-type="float" office:value="12.5"', "12.5"),
        ('office:value-type="percentage" office:value="0.153"', "15.3%"),
        ('office:value-type="currency" office:value="7" office:currency="EUR"', "7 EUR"),
        ('office:value-type="date" office:date-value="2026-03-09"', "2026-03-09"),
        ('office:value-type="time" office:time-value="PT26H30M00S"', "26:30:00"),
        ('office:value-type="boolean" office:boolean-value="true"', "TRUE"),
        ('office:value-type="string" office:string-value="Halcyon"', "Halcyon"),
    ],
)
def test_value_without_a_text_is_shown(tmp_path: Path, attributes: str, shown: str) -> None:
    rows = row("Quay", "Fee") + row("North", f"<table:table-cell {attributes}/>")
    assert f"| North | {shown} |" in read(packed(tmp_path / "v.ods", sheet(rows)))[0]


@pytest.mark.parametrize(
    ("formula", "shown"),
    [("of:=SUM([.B2:.B3])", "=SUM(B2:B3)"), ("oooc:=[.A1]*2", "=A1*2"), ("of:=[$Data.A1]", "=$Data.A1")],
)
def test_formula_that_was_never_calculated_is_shown_and_named(
    tmp_path: Path, formula: str, shown: str
) -> None:
    rows = row("Quay", "Fee") + row("North", f'<table:table-cell table:formula="{formula}"/>')
    text, notes = read(packed(tmp_path / "f.ods", sheet(rows)))
    assert f"| North | {shown} |" in text
    [message] = unread(notes)
    assert message.startswith("sheet Costs: 1 formula was never calculated")


def test_note_of_a_cell_is_read_with_it(tmp_path: Path) -> None:
    cell = f"<table:table-cell>{REMARK.format(p('due at Candlemas'))}{p('5')}</table:table-cell>"
    text, notes = read(packed(tmp_path / "n.ods", sheet(row("Quay", "Fee") + row("North", cell))))
    assert "due at Candlemas" in text
    assert "comment" in {note.part.value for note in notes}


def test_hidden_sheet_is_read_and_named(tmp_path: Path) -> None:
    style = '<style:style style:name="ta1"><style:table-properties table:display="false"/></style:style>'
    body = sheet(row("Halcyon"), attributes='table:style-name="ta1"')
    text, notes = read(packed(tmp_path / "h.ods", body, styles=style))
    assert "Halcyon" in text
    assert [note.message for note in notes] == ["sheet Costs is hidden, and was read all the same"]


def test_header_of_a_sheet_is_read(tmp_path: Path) -> None:
    style = '<style:style style:name="ta1" style:master-page-name="Default"/>'
    masters = master(
        f"<style:header><style:region-left>{p('Harbour dues')}</style:region-left></style:header>", "Default"
    )
    path = packed(tmp_path / "h.ods", sheet(row("Halcyon")), styles=style, masters=masters)
    assert read(path)[0] == "Harbour dues\nCosts\nHalcyon"


# --- slides and drawings ---------------------------------------------------------------------------


def test_title_of_a_slide_heads_it_and_notes_follow(tmp_path: Path) -> None:
    notes = f"<presentation:notes>{framed(p('Mention the moon.'))}</presentation:notes>"
    slide = page(framed(p("Tides"), 'presentation:class="title"') + framed(p("Two a day")) + notes)
    path = packed(tmp_path / "s.odp", f"<office:presentation>{slide}</office:presentation>")
    blocks = [
        (b.kind.value, b.text)
        for b in guarded(path, sniff(path, "s.odp"), 50, Recognition(None))
        if isinstance(b, Block)
    ]
    assert blocks == [("heading", "Tides"), ("text", "Two a day"), ("text", "Notes: Mention the moon.")]


def test_words_of_the_master_are_read_once_and_its_forms_are_not(tmp_path: Path) -> None:
    masters = master(
        framed(p("Click to edit the title text format"), 'presentation:class="title"')
        + framed(p("Master footer is here"), 'presentation:class="footer"')
        + framed(p("<presentation:date-time/>"), 'presentation:class="date-time"')
        + f"<draw:rect>{p('Harbour Trust')}</draw:rect>",
        "Sea",
    )
    body = f"<office:presentation>{page(framed(p('One')))}{page(framed(p('Two')))}</office:presentation>"
    text, _ = read(packed(tmp_path / "m.odp", body, masters=masters))
    assert text == "Master footer is here\nHarbour Trust\nOne\nTwo"


def test_footer_that_slides_name_is_read_once(tmp_path: Path) -> None:
    decl = '<presentation:footer-decl presentation:name="f1">Draft of March</presentation:footer-decl>'
    slides = page(framed(p("One")), 'presentation:use-footer-name="f1"') * 2
    path = packed(tmp_path / "f.odp", f"<office:presentation>{decl}{slides}</office:presentation>")
    assert read(path)[0] == "Draft of March\nOne\nOne"


def test_hidden_slide_is_read_and_named(tmp_path: Path) -> None:
    style = (
        '<style:style style:name="dp1"><style:drawing-page-properties presentation:visibility="hidden"/>'
        "</style:style>"
    )
    slide = page(framed(p("One")), 'draw:style-name="dp1"')
    body = f"<office:presentation>{slide}</office:presentation>"
    text, notes = read(packed(tmp_path / "h.odp", body, styles=style))
    assert text == "One"
    assert [note.message for note in notes] == ["slide 1 is hidden in a show, and was read all the same"]


def test_words_of_a_drawing_are_read(tmp_path: Path) -> None:
    boiler, pump = (f"<draw:custom-shape>{p(text)}</draw:custom-shape>" for text in ("Boiler", "Pump"))
    shapes = f"<draw:g>{boiler}{pump}</draw:g>"
    path = packed(tmp_path / "d.odg", f"<office:drawing>{page(shapes)}</office:drawing>")
    assert read(path)[0] == "Boiler\nPump"


# --- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-8"?>\n'])
@pytest.mark.parametrize(
    ("ending", "body"),
    [
        ("fodt", text(p("Halcyon"))),
        ("fods", sheet(row("Halcyon"))),
        ("fodp", f"<office:presentation>{page(framed(p('Halcyon')))}</office:presentation>"),
    ],
)
def test_flat_files_are_read_without_their_macros(
    tmp_path: Path, ending: str, body: str, declaration: str
) -> None:
    path = tmp_path / f"a.{ending}"
    macros = "<office:scripts><office:script>Sub Main</office:script></office:scripts>"
    meta = "<office:meta><dc:title>Log</dc:title></office:meta>"
    markup = f"<office:document {SPACES}>{meta}{macros}<office:body>{body}</office:body></office:document>"
    path.write_text(declaration + markup, encoding="utf-8")
    assert sniff(path, path.name) is DocumentKind.OPENDOCUMENT
    assert read(path)[0].removeprefix("Costs\n") == "Halcyon"


def test_picture_in_a_flat_file_is_not_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.fodt"
    data = "<office:binary-data>iVBORw0KGgo</office:binary-data>"
    image = f"<draw:frame><draw:image>{data}</draw:image></draw:frame>"
    body = text(p(f"Halcyon{image}"))
    path.write_text(f"<office:document {SPACES}><office:body>{body}</office:body></office:document>")
    assert read(path)[0] == "Halcyon"


def test_encrypted_file_says_so(tmp_path: Path) -> None:
    manifest = b"<manifest><encryption-data/></manifest>"
    path = packed(tmp_path / "e.odt", text(p("x")), more={"META-INF/manifest.xml": manifest})
    with pytest.raises(Unreadable, match="encrypted; save it without a password") as caught:
        read(path)
    assert caught.value.code == "encrypted"


def test_file_encrypted_as_a_whole_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.odt", "w") as archive:
        for name in ("mimetype", "encrypted-package", "META-INF/manifest.xml"):
            archive.writestr(name, "x")
    with pytest.raises(UploadRefused, match="without a password") as caught:
        sniff(tmp_path / "e.odt", "e.odt")
    assert caught.value.code == "upload_encrypted"


def test_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="export what should be read as CSV"):
        read(packed(tmp_path / "d.odb", "<office:database/>"))


def test_formula_by_itself_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.odf", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.formula")
        archive.writestr(
            "content.xml", f"<math:math {MATH}><math:mi>Q</math:mi><math:mn>7</math:mn></math:math>"
        )
    assert read(tmp_path / "f.odf")[0] == "Q 7"
