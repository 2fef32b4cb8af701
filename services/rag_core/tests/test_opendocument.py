"""OpenDocument as LibreOffice and others write it: text, sheets, slides and drawings, packed or flat."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rag_core.errors import UploadRefused
from rag_core.extract import Block, Head, Item, Note
from rag_core.extract.blocks import Unreadable
from rag_core.extract.child import guarded
from rag_core.models import DocumentKind
from rag_core.sniff import sniff
from services.rag_core.tests import office

SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
    for name, full in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
        "presentation": "presentation", "form": "form", "svg": "svg-compatible", "script": "script",
        "chart": "chart", "meta": "meta",
    }.items()
) + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
MATH = 'xmlns:math="http://www.w3.org/1998/Math/MathML"'


def content(body: str, styles: str = "") -> str:
    return (
        f"<office:document-content {SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body>{body}</office:body></office:document-content>"
    )


def packed(
    path: Path, body: str, *, styles: str = "", masters: str = "", more: dict[str, bytes] | None = None
) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content(body, styles))
        sheet = f"<office:document-styles {SPACES}><office:master-styles>{masters}</office:master-styles>"
        archive.writestr("styles.xml", f"{sheet}</office:document-styles>")
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return path


def text(words: str) -> str:
    return f"<office:text>{words}</office:text>"


def sheet(rows: str, name: str = "Costs", attributes: str = "") -> str:
    table = f'<table:table table:name="{name}" {attributes}>{rows}</table:table>'
    return f"<office:spreadsheet>{table}</office:spreadsheet>"


def row(*cells: str) -> str:
    written = (
        one if one.startswith("<") else f"<table:table-cell>{p(one)}</table:table-cell>" for one in cells
    )
    return f"<table:table-row>{''.join(written)}</table:table-row>"


def p(words: str) -> str:
    return f"<text:p>{words}</text:p>"


def page(inner: str, attributes: str = "") -> str:
    return f'<draw:page draw:name="page1" draw:master-page-name="Sea" {attributes}>{inner}</draw:page>'


def framed(inner: str, attributes: str = "") -> str:
    return f"<draw:frame {attributes}><draw:text-box>{inner}</draw:text-box></draw:frame>"


def read(path: Path) -> tuple[str, list[Note]]:
    items: list[Item] = list(guarded(path, sniff(path, path.name), 50, None))
    assert isinstance(items[0], Head)
    said = "\n".join(one.text for one in items if isinstance(one, Block))
    return said, [one for one in items if isinstance(one, Note)]


def unread(notes: list[Note]) -> list[str]:
    return [one.message for one in notes if not one.read]


# --- text ------------------------------------------------------------------------------------------


def master(inner: str, name: str = "Standard") -> str:
    return f'<style:master-page style:name="{name}">{inner}</style:master-page>'


@pytest.mark.parametrize("place", ["header", "footer", "header-left", "footer-first"])
def test_headers_and_footers_of_pages_are_read(tmp_path: Path, place: str) -> None:
    masters = master(f"<style:{place}>{p('Harbour Trust, restricted')}</style:{place}>")
    said, notes = read(packed(tmp_path / "h.odt", text(p("Body")), masters=masters))
    assert said == "Harbour Trust, restricted\nBody"
    assert "running line" in {note.part.value for note in notes}


@pytest.mark.parametrize(
    "inner",
    [
        "<style:footer><text:p>Page <text:page-number>1</text:page-number></text:p></style:footer>",
        "<style:header><text:p><text:sheet-name>???</text:sheet-name></text:p></style:header>",
        '<style:header style:display="false"><text:p>Switched off</text:p></style:header>',
    ],
)
def test_page_numbers_and_headers_that_are_off_are_not_read(tmp_path: Path, inner: str) -> None:
    assert read(packed(tmp_path / "h.odt", text(p("Body")), masters=master(inner)))[0] == "Body"


def test_header_of_a_kind_of_page_that_is_not_used_is_not_read(tmp_path: Path) -> None:
    other = master(f"<style:header>{p('Envelope')}</style:header>", "Envelope")
    assert read(packed(tmp_path / "h.odt", text(p("Body")), masters=master("") + other))[0] == "Body"


def test_deleted_text_is_left_out_and_counted(tmp_path: Path) -> None:
    gone = f"<text:changed-region><text:deletion>{p('forty days')}</text:deletion></text:changed-region>"
    body = text(f"<text:tracked-changes>{gone}</text:tracked-changes>{p('thirty days')}")
    said, notes = read(packed(tmp_path / "c.odt", body))
    assert said == "thirty days"
    assert [note.message for note in notes] == [
        "1 deletion recorded with the document left out, as if accepted"
    ]


REMARK = "<office:annotation><dc:creator>Bo Aho</dc:creator><dc:date>2026</dc:date>{}</office:annotation>"


def test_comment_is_read_with_its_writer(tmp_path: Path) -> None:
    body = text(p(f"The fee{REMARK.format(p('Is it paid?'))} is due."))
    said, notes = read(packed(tmp_path / "c.odt", body))
    assert said.replace("  ", " ") == "The fee (comment by Bo Aho: Is it paid?) is due."
    assert [note.part.value for note in notes] == ["comment"]


def test_text_box_in_a_line_follows_the_line(tmp_path: Path) -> None:
    body = text(p(f"Before {framed(p('In the box'))}and after"))
    assert read(packed(tmp_path / "b.odt", body))[0] == "Before and after\nIn the box"


def test_picture_says_its_description_or_is_counted(tmp_path: Path) -> None:
    image = '<draw:image xlink:href="Pictures/1.png"/>'
    described = f"<draw:frame>{image}<svg:desc>The mole in fog</svg:desc></draw:frame>"
    said, notes = read(
        packed(tmp_path / "p.odt", text(p(described) + p(f"<draw:frame>{image}</draw:frame>")))
    )
    assert said == "Picture: The mole in fog"
    assert unread(notes) == ["a picture without a description, not read"]


def test_values_of_form_fields_are_read(tmp_path: Path) -> None:
    fields = (
        '<form:text form:name="Name" form:current-value="Philomena Garrick"/>'
        '<form:checkbox form:label="Paid" form:current-state="checked"/><form:button form:label="Send"/>'
    )
    said, _ = read(
        packed(tmp_path / "f.odt", text(f"<office:forms><form:form>{fields}</form:form></office:forms>"))
    )
    assert said == "Name: Philomena Garrick\nPaid: yes"


def test_macros_are_no_content(tmp_path: Path) -> None:
    listener = (
        '<office:event-listeners><script:event-listener xlink:href="run"/>Sub Main</office:event-listeners>'
    )
    assert read(packed(tmp_path / "m.odt", text(listener + p("Body"))))[0] == "Body"


def levels(kind: str, *formats: str) -> str:
    """Levels of a style: each has a format, what stands before and after, how many levels it shows."""
    return "".join(
        f'<text:{kind} text:level="{n}" style:num-format="{form}" style:num-prefix="{before}"'
        f' style:num-suffix="{after}" text:display-levels="{shown}"/>'
        for n, (form, before, after, shown) in enumerate((one.split() for one in formats), 1)
    ).replace('"_"', '""')


def listed(*items: str, attributes: str = 'text:style-name="L1"') -> str:
    inner = "".join(f"<text:list-item>{one}</text:list-item>" for one in items)
    return f"<text:list {attributes}>{inner}</text:list>"


def test_numbers_of_clauses_are_read(tmp_path: Path) -> None:
    numbered = levels("list-level-style-number", "1 _ . 1", "1 _ _ 2", "a ( ) 1", "I _ . 1")
    style = f'<text:list-style style:name="L1">{numbered}</text:list-style>'
    deepest = listed(p("Light"), attributes="")
    inner = listed(p("Rope"), p("Tar") + listed(p("Lamp") + deepest, p("Wick"), attributes=""), attributes="")
    body = text(
        listed(p("Dues"), p("Quays") + inner)
        + p("Between")
        + listed(p("Fees"), attributes='text:style-name="L1" text:continue-numbering="true"')
        + listed(p("Anew"))
    )
    said, _ = read(packed(tmp_path / "n.odt", body, styles=style))
    assert said.split("\n") == [
        "1. Dues", "2. Quays", "2.1 Rope", "2.2 Tar", "(a) Lamp", "I. Light", "(b) Wick", "Between",
        "3. Fees", "1. Anew",
    ]  # fmt: skip


def test_numbers_of_headings_are_read(tmp_path: Path) -> None:
    outline = levels("outline-level-style", "1 _ _ 1", "1 _ _ 2")
    heading = '<text:h text:outline-level="{}" {}>{}</text:h>'
    body = text(
        heading.format(1, "", "Dues")
        + heading.format(1, "", "Quays")
        + heading.format(2, "", "North")
        + heading.format(2, 'text:is-list-header="true"', "Aside")
        + heading.format(2, "", "South")
    )
    masters = f"<text:outline-style>{outline}</text:outline-style>"
    said, _ = read(packed(tmp_path / "h.odt", body, masters=masters))
    assert said.split("\n") == ["1 Dues", "2 Quays", "2.1 North", "Aside", "2.2 South"]


def test_points_of_a_list_without_numbers_have_a_dash(tmp_path: Path) -> None:
    style = (
        '<text:list-style style:name="L1"><text:list-level-style-bullet text:level="1"/></text:list-style>'
    )
    assert (
        read(packed(tmp_path / "l.odt", text(listed(p("Rope"), p("Tar"))), styles=style))[0]
        == "- Rope\n- Tar"
    )


# --- embedded --------------------------------------------------------------------------------------

OBJECT = '<draw:frame draw:name="Object 1"><draw:object xlink:href="./Object 1"/></draw:frame>'
INSIDE = {
    "sheet": (content(sheet(row("Quay", "Fee") + row("North", "5"))), "| North | 5 |"),
    "formula": (f"<math:math {MATH}><math:annotation>a^2 + b^2</math:annotation></math:math>", "a^2 + b^2"),
    "chart": (
        content(
            f"<office:chart><chart:chart><chart:title>{p('Catch')}</chart:title>"
            f"<table:table>{row('', 'Tonnes')}{row('Herring', '412')}</table:table></chart:chart>"
            "</office:chart>"
        ),
        "| Herring | 412 |",
    ),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_embedded_object_is_read_in_its_place(tmp_path: Path, kind: str) -> None:
    markup, wanted = INSIDE[kind]
    path = packed(
        tmp_path / "o.odt", text(p(OBJECT) + p("After")), more={"Object 1/content.xml": markup.encode()}
    )
    said, notes = read(path)
    assert wanted in said
    assert said.endswith("After")
    assert not unread(notes)


@pytest.mark.parametrize("link", ["./Object 2", "../elsewhere.ods", "file:///home/x.ods"])
def test_object_that_is_not_in_the_file_is_named(tmp_path: Path, link: str) -> None:
    _, notes = read(packed(tmp_path / "o.odt", text(p("Body") + p(OBJECT.replace("./Object 1", link)))))
    assert any(message.startswith("attachment Object 1 was not read") for message in unread(notes))


def test_embedded_office_file_is_read(tmp_path: Path) -> None:
    frame = '<draw:frame draw:name="Costs"><draw:object-ole xlink:href="./Object 1"/></draw:frame>'
    path = packed(
        tmp_path / "o.odt",
        text(p(frame)),
        more={"Object 1": office.whole("docx", "The lamp burns colza oil.")},
    )
    assert "The lamp burns colza oil." in read(path)[0]


# --- sheets ----------------------------------------------------------------------------------------


def test_sheet_is_read_like_a_workbook(tmp_path: Path) -> None:
    blank = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    rows = row("Fees of 2026") + row("Quay", "Fee") + row("North", "5") + blank + row("Anchor of the Halcyon")
    said, _ = read(packed(tmp_path / "s.ods", sheet(rows)))
    assert said == "Costs\nFees of 2026\n| Quay | Fee |\n| --- | --- |\n| North | 5 |\nAnchor of the Halcyon"


def test_cell_over_several_rows_stands_in_each(tmp_path: Path) -> None:
    over = f'<table:table-cell table:number-rows-spanned="2">{p("Amberley")}</table:table-cell>'
    rows = row("Customer", "Item") + row(over, "rope") + row("<table:covered-table-cell/>", "tar")
    said, _ = read(packed(tmp_path / "s.ods", sheet(rows)))
    assert "| Amberley | rope |\n| Amberley | tar |" in said


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
    said, notes = read(packed(tmp_path / "f.ods", sheet(rows)))
    assert f"| North | {shown} |" in said
    [message] = unread(notes)
    assert message.startswith("sheet Costs: 1 formula was never calculated")


def test_note_of_a_cell_is_read_with_it(tmp_path: Path) -> None:
    cell = f"<table:table-cell>{REMARK.format(p('due at Candlemas'))}{p('5')}</table:table-cell>"
    said, notes = read(packed(tmp_path / "n.ods", sheet(row("Quay", "Fee") + row("North", cell))))
    assert "due at Candlemas" in said
    assert "comment" in {note.part.value for note in notes}


def test_hidden_sheet_is_read_and_named(tmp_path: Path) -> None:
    style = '<style:style style:name="ta1"><style:table-properties table:display="false"/></style:style>'
    body = sheet(row("Halcyon"), attributes='table:style-name="ta1"')
    said, notes = read(packed(tmp_path / "h.ods", body, styles=style))
    assert "Halcyon" in said
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
        (b.kind.value, b.text) for b in guarded(path, sniff(path, "s.odp"), 50, None) if isinstance(b, Block)
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
    said, _ = read(packed(tmp_path / "m.odp", body, masters=masters))
    assert said == "Master footer is here\nHarbour Trust\nOne\nTwo"


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
    said, notes = read(packed(tmp_path / "h.odp", body, styles=style))
    assert said == "One"
    assert [note.message for note in notes] == ["slide 1 is hidden in a show, and was read all the same"]


def test_words_of_a_drawing_are_read(tmp_path: Path) -> None:
    boiler, pump = (f"<draw:custom-shape>{p(said)}</draw:custom-shape>" for said in ("Boiler", "Pump"))
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
