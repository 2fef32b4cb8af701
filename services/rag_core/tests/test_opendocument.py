"""OpenDocument text as written by LibreOffice and others, with its embedded objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.rag_core.tests import office
from services.rag_core.tests.opendocument_markup import (
    MATH,
    REMARK,
    content,
    framed,
    master,
    p,
    packed,
    row,
    sheet,
    text,
)
from services.rag_core.tests.reading import read, unread


@pytest.mark.parametrize("place", ["header", "footer", "header-left", "footer-first"])
def test_headers_and_footers_of_pages_are_read(tmp_path: Path, place: str) -> None:
    masters = master(f"<style:{place}>{p('Harbour Trust, restricted')}</style:{place}>")
    content, notes = read(packed(tmp_path / "h.odt", text(p("Body")), masters=masters))
    assert content == "Harbour Trust, restricted\nBody"
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
    content, notes = read(packed(tmp_path / "c.odt", body))
    assert content == "thirty days"
    assert [note.message for note in notes] == [
        "1 deletion recorded with the document left out, as if accepted"
    ]


def test_comment_is_read_with_its_writer(tmp_path: Path) -> None:
    body = text(p(f"The fee{REMARK.format(p('Is it paid?'))} is due."))
    content, notes = read(packed(tmp_path / "c.odt", body))
    assert content.replace("  ", " ") == "The fee (comment by Bo Aho: Is it paid?) is due."
    assert [note.part.value for note in notes] == ["comment"]


def test_text_box_in_a_line_follows_the_line(tmp_path: Path) -> None:
    body = text(p(f"Before {framed(p('In the box'))}and after"))
    assert read(packed(tmp_path / "b.odt", body))[0] == "Before and after\nIn the box"


def test_picture_says_its_description_or_is_counted(tmp_path: Path) -> None:
    image = '<draw:image xlink:href="Pictures/1.png"/>'
    described = f"<draw:frame>{image}<svg:desc>The mole in fog</svg:desc></draw:frame>"
    content, notes = read(
        packed(tmp_path / "p.odt", text(p(described) + p(f"<draw:frame>{image}</draw:frame>")))
    )
    assert content == "Picture: The mole in fog"
    assert unread(notes) == ["a picture without a description, not read"]


def test_values_of_form_fields_are_read(tmp_path: Path) -> None:
    fields = (
        '<form:text form:name="Name" form:current-value="Philomena Garrick"/>'
        '<form:checkbox form:label="Paid" form:current-state="checked"/><form:button form:label="Send"/>'
    )
    content, _ = read(
        packed(tmp_path / "f.odt", text(f"<office:forms><form:form>{fields}</form:form></office:forms>"))
    )
    assert content == "Name: Philomena Garrick\nPaid: yes"


def test_macros_are_no_content(tmp_path: Path) -> None:
    listener = (
        '<office:event-listeners><script:event-listener xlink:href="run"/>Sub Main</office:event-listeners>'
    )
    assert read(packed(tmp_path / "m.odt", text(listener + p("Body"))))[0] == "Body"


def levels(kind: str, *formats: str) -> str:
    """Levels of a list style: each has a format, a prefix, a suffix and the number of levels it shows."""
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
    content, _ = read(packed(tmp_path / "n.odt", body, styles=style))
    assert content.split("\n") == [
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
    content, _ = read(packed(tmp_path / "h.odt", body, masters=masters))
    assert content.split("\n") == ["1 Dues", "2 Quays", "2.1 North", "Aside", "2.2 South"]


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
    markup, expected = INSIDE[kind]
    path = packed(
        tmp_path / "o.odt", text(p(OBJECT) + p("After")), more={"Object 1/content.xml": markup.encode()}
    )
    content, notes = read(path)
    assert expected in content
    assert content.endswith("After")
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
