"""Word files as Word writes them, with tracked changes, merged cells, notes and text boxes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

from rag_core.extract import Block, Head, Limits, Parser
from rag_core.models import DocumentKind

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)
_DOCUMENT = "word/document.xml"
_BY = 'w:id="7" w:author="Ada" w:date="2026-11-23T09:00:00Z"'
_NOTES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:{0}s xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:{0} w:type="separator" w:id="-1"><w:p><w:r><w:t>never shown</w:t></w:r></w:p></w:{0}>
<w:{0} w:id="1"><w:p><w:r><w:{0}Ref/></w:r><w:r><w:t xml:space="preserve"> {1}</w:t></w:r></w:p></w:{0}>
</w:{0}s>"""
_MORE = {
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
}
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def word(path: Path, body: str, *, notes: dict[str, str] | None = None) -> Path:
    """A DOCX whose body is this markup, its other parts as python-docx makes them."""
    made = docx.Document()
    made.add_paragraph("BODY")
    section = made.sections[0]
    section.header.paragraphs[0].text, section.footer.paragraphs[0].text = "Running head", "Running foot"
    made.save(str(path))
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    markup = parts[_DOCUMENT].decode()
    markup = markup.replace("<w:p><w:r><w:t>BODY</w:t></w:r></w:p>", body)
    for prefix, name in _MORE.items():
        if f"xmlns:{prefix}=" not in markup:
            markup = markup.replace("<w:document ", f'<w:document xmlns:{prefix}="{name}" ', 1)
    parts[_DOCUMENT] = markup.encode()
    for name, text in (notes or {}).items():
        parts[f"word/{name}s.xml"] = _NOTES.format(name, text).encode()
        one = f'<Relationship Id="x{name}" Type="{_OFFICE}/{name}s" Target="{name}s.xml"/></Relationships>'
        rels = parts["word/_rels/document.xml.rels"].decode().replace("</Relationships>", one)
        parts["word/_rels/document.xml.rels"] = rels.encode()
        kind = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{name}s+xml"
        one = f'<Override PartName="/word/{name}s.xml" ContentType="{kind}"/></Types>'
        parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", one.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in parts.items():
            whole.writestr(name, content)
    return path


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def read(parser: Parser, path: Path) -> list[str]:
    head, *rest = parser.parse(path, DocumentKind.DOCX)
    assert isinstance(head, Head)
    return [one.text for one in rest if isinstance(one, Block)]


def test_tracked_changes_are_read_as_accepted(parser: Parser, tmp_path: Path) -> None:
    """Text that was inserted or moved in is read; text that was deleted or moved away must not be found."""
    gone = '<w:r><w:delText xml:space="preserve">{}</w:delText></w:r>'
    body = (
        f"<w:p>{run('The dose is ')}<w:del {_BY}>{gone.format('5 mg')}</w:del>"
        f"<w:ins {_BY}>{run('7 mg')}</w:ins>{run(' a day.')}</w:p>"
        f"<w:p><w:moveFrom {_BY}>{run('It stood here.')}</w:moveFrom></w:p>"
        f"<w:p><w:moveTo {_BY}>{run('It stands here.')}</w:moveTo></w:p>"
        "<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid>"
        f"<w:tr><w:trPr><w:ins {_BY}/></w:trPr>"
        f"<w:tc><w:p><w:ins {_BY}>{run('new row')}</w:ins></w:p></w:tc></w:tr>"
        f"<w:tr><w:trPr><w:del {_BY}/></w:trPr><w:tc><w:p>{run('old row')}</w:p></w:tc></w:tr></w:tbl>"
    )
    assert read(parser, word(tmp_path / "c.docx", body))[1:-1] == [
        "The dose is 7 mg a day.",
        "It stands here.",
        "| new row |\n| --- |",
    ]


def test_content_controls_are_read_wherever_they_stand(parser: Parser, tmp_path: Path) -> None:
    def control(content: str, properties: str = '<w:alias w:val="name of the control"/>') -> str:
        return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"

    contents = '<w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj>'
    table = "<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid>{}</w:tbl>"
    cell = "<w:tc><w:p>{}</w:p></w:tc>"
    body = (
        control(f"<w:p>{run('Chapter one ... 3')}</w:p>", contents)
        + control('<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' + run("Aim") + "</w:p>")
        + f"<w:p>{run('Signed by ')}{control(run('Ada'))}</w:p>"
        + control(
            table.format(
                f"<w:tr>{cell.format(run('port'))}{control(cell.format(run('m')))}</w:tr>"
                + control(f"<w:tr>{cell.format(control(run('Brest')))}{cell.format(run('7.2'))}</w:tr>")
            )
        )
    )
    assert read(parser, word(tmp_path / "c.docx", body))[1:-1] == [
        "Aim",
        "Signed by Ada",
        "| port | m |\n| --- | --- |\n| Brest | 7.2 |",
    ]


def test_merged_cells_appear_once_and_the_columns_stay(parser: Parser, tmp_path: Path) -> None:
    made = docx.Document()
    table = made.add_table(rows=3, cols=3)
    for number, cell in enumerate(c for row in table.rows for c in row.cells):
        cell.text = str(number)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(1, 2).merge(table.cell(2, 2)).text = "tall"
    made.save(str(tmp_path / "m.docx"))
    assert read(parser, tmp_path / "m.docx") == [
        "| wide |  | 2 |\n| --- | --- | --- |\n| 3 | 4 | tall |\n| 6 | 7 |  |"
    ]


def test_notes_and_boxes_follow_the_paragraph_that_holds_them(parser: Parser, tmp_path: Path) -> None:
    box = f"<w:txbxContent><w:p>{run('Warning: hot.')}</w:p></w:txbxContent>"
    drawn = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><wps:txbx>{box}</wps:txbx></mc:Choice>'
        f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    body = (
        f'<w:p>{run("Tides turn twice.")}<w:r><w:footnoteReference w:id="1"/></w:r>{drawn}</w:p>'
        f'<w:p>{run("Mostly.")}<w:r><w:endnoteReference w:id="1"/></w:r></w:p>'
    )
    path = word(tmp_path / "n.docx", body, notes={"footnote": "Seen at Brest.", "endnote": "Not at Faro."})
    assert read(parser, path)[1:-1] == [
        "Tides turn twice.",
        "Footnote: Seen at Brest.",
        "Warning: hot.",
        "Mostly.",
        "Endnote: Not at Faro.",
    ]


def test_what_stands_on_every_page_is_read_once(parser: Parser, tmp_path: Path) -> None:
    path = word(tmp_path / "h.docx", f"<w:p>{run('The text itself.')}</w:p>")
    assert read(parser, path) == ["Running head", "The text itself.", "Running foot"]


@pytest.mark.parametrize("number", ["7", "Page 7", "Page 7 of 12", "- 7 -", "Seite 7 von 12"])
def test_a_footer_that_is_a_page_number_says_nothing(parser: Parser, tmp_path: Path, number: str) -> None:
    made = docx.Document()
    made.add_paragraph("The text itself.")
    made.sections[0].footer.paragraphs[0].text = number
    made.save(str(tmp_path / "n.docx"))
    assert read(parser, tmp_path / "n.docx") == ["The text itself."]
