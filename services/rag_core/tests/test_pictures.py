"""Text in pictures of Office files, books, mail and pages is read in place; other pictures are reported."""

from __future__ import annotations

import base64
import email.message
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docx import Document
from docx.shared import Inches
from openpyxl import Workbook
from openpyxl.drawing.image import Image as SheetImage
from PIL import Image
from pptx import Presentation

from rag_core.extract import Block, BlockKind, Head, Note, Part
from rag_core.extract import pictures as module
from rag_core.extract.blocks import Item, Ocr, Picture, Unreadable
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition, recognised
from rag_core.extract.sniff import sniff
from services.rag_core.tests.pdfs import picture_rows

LINES = ["Delivered: one brass sextant,", "signed for by Crispin Mallard"]


def drawn(lines: list[str] | None = None, kind: str = "PNG", size: tuple[int, int] = (500, 100)) -> bytes:
    """A picture of these lines, in a format that Pillow writes."""
    made = io.BytesIO()
    Image.frombytes("L", (2 * size[0], 2 * size[1]), picture_rows(lines or LINES, size)).save(made, kind)
    return made.getvalue()


SCAN = drawn()
BLANK = drawn([" "])


def recognition() -> Recognition:
    return Recognition(Ocr("eng", 30))


def text(items: list[Item]) -> str:
    return "\n".join(one.text for one in items if isinstance(one, Block))


def reports(items: list[Item], *, read: bool = False) -> list[str]:
    return [one.message for one in items if isinstance(one, Note) and one.read is read]


def items(*given: Item, using: Recognition | None = None) -> list[Item]:
    return list(recognised(iter(given), using or recognition()))


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP"])
def test_formats_of_pictures_are_read(kind: str) -> None:
    assert "brass sextant" in text(items(Picture(drawn(kind=kind), 1)))


def test_a_picture_is_read_in_its_place_and_once() -> None:
    using = recognition()
    found = items(Block(BlockKind.TEXT, "Above", 1), Picture(SCAN, 1), Picture(SCAN, 1), using=using)
    assert text(found).split("\n") == ["Above", *LINES]
    assert Note(Part.PICTURE, 1) in found
    assert text(items(Picture(SCAN, 1), using=using)) == "", "nor in a file within the file"


def test_pages_of_a_fax_are_all_read() -> None:
    made = io.BytesIO()
    pages = [Image.open(io.BytesIO(drawn([line]))) for line in LINES]
    pages[0].save(made, "TIFF", save_all=True, append_images=pages[1:])
    assert text(items(Picture(made.getvalue(), 1))).split("\n") == LINES


def test_photographs_without_description_are_one_line_of_the_report() -> None:
    pictures = [Picture(BLANK, n, "slide") for n in (2, 3)]
    described = Picture(BLANK, 4, "slide", described=True)
    assert reports(items(*pictures, described)) == [
        "slides 2 to 3: 2 pictures without a description, not read"
    ]


def bomb() -> bytes:
    """A PNG of a few bytes that claims to have 3,600 million pixels."""
    made = io.BytesIO()
    Image.new("1", (8, 8)).save(made, "PNG")
    data = bytearray(made.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (SCAN[:400], "is damaged, or too large to be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "is damaged, or too large to be read"),
        (b"\x01\0\0\0" + bytes(40), "without a description, not read"),
        (b"", "without a description, not read"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, why: str) -> None:
    assert reports(items(Picture(data, 1))) == [f"a picture {why}"]


def test_a_bomb_is_named_and_not_decoded() -> None:
    assert reports(items(Picture(bomb(), 1, described=True))) == [
        "a picture has 60,000 by 60,000 dots, too many to be read"
    ]


def test_very_many_pictures_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_IN_ALL", 1)
    found = items(Picture(BLANK, 1, described=True), Picture(SCAN, 1, "sheet Costs", described=True))
    assert reports(found) == ["sheet Costs: a picture was not read, being one of very many"]


def test_icons_take_no_place_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_IN_ALL", 1)
    icons = [Picture(drawn(size=(20 + n, 20)), 1, described=True) for n in range(3)]
    found = items(*icons, Picture(SCAN, 1))
    assert "sextant" in text(found)
    assert reports(found) == []


def test_no_time_is_left_after_the_time_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_IN_ALL", 0.0)
    assert reports(items(Picture(SCAN, 1))) == ["a picture was not read, being one of very many"]


@pytest.mark.parametrize(
    ("using", "why", "described"),
    [
        (None, "reading pictures of text is switched off", []),
        (
            Ocr("xxx", 9),
            "Tesseract has no data for 'xxx'",
            ["a picture was not read: Tesseract has no data for 'xxx'"],
        ),
    ],
)
def test_nothing_reads_pictures(using: Ocr | None, why: str, described: list[str]) -> None:
    assert reports(items(Picture(SCAN, 1), using=Recognition(using))) == [f"a picture was not read: {why}"]
    assert reports(items(Picture(SCAN, 1, described=True), using=Recognition(using))) == described


def empty(*given: Item) -> Iterator[Item]:
    yield from given
    raise Unreadable("no_text", "the file holds no text")


def test_a_file_of_pictures_alone_is_read_or_says_why_not() -> None:
    assert "sextant" in text(list(recognised(empty(Picture(SCAN, 1)), recognition())))
    with pytest.raises(Unreadable, match="no text; a picture was not read: reading pictures"):
        list(recognised(empty(Picture(SCAN, 1)), Recognition(None)))


def word(path: Path) -> None:
    made = Document()
    made.add_paragraph("Above")
    made.add_picture(io.BytesIO(SCAN), width=Inches(3))
    made.add_paragraph("Below")
    made.save(str(path))


def slides(path: Path) -> None:
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "Above"
    slide.shapes.add_picture(io.BytesIO(SCAN), 0, 3_000_000)
    made.save(str(path))


def sheet(path: Path) -> None:
    made = Workbook()
    made.active["A1"] = "Above"
    made.active.add_image(SheetImage(io.BytesIO(SCAN)), "B2")
    made.save(path)


def book(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/epub+zip")
        made.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="b/p.opf"/></rootfiles></container>',
        )
        made.writestr(
            "b/p.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="t/a.xhtml"'
            ' media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>',
        )
        made.writestr("b/t/a.xhtml", '<html><body><p>Above</p><img src="../i/1%20a.png"/></body></html>')
        made.writestr("b/i/1 a.png", SCAN)


def open_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        made.writestr(
            "content.xml",
            '<o:document-content xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
            ' xmlns:t="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:x="http://www.w3.org/1999/xlink"'
            ' xmlns:d="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"><o:body><o:text><t:p>Above</t:p>'
            '<t:p><d:frame><d:image x:href="Pictures/1.png"/></d:frame></t:p></o:text></o:body>'
            "</o:document-content>",
        )
        made.writestr("Pictures/1.png", SCAN)


def rich(path: Path) -> None:
    path.write_text(rf"{{\rtf1\ansi Above\par {{\pict\pngblip {SCAN.hex()}}}\par}}")


def page(path: Path) -> None:
    held = base64.b64encode(SCAN).decode()
    path.write_text(
        f'<html><body><p>Above</p><table><tr><td>a</td><td><img src="data:image/png;base64,{held}"></td>'
        "</tr></table><input value='x'></body></html>"
    )


def notebook(path: Path) -> None:
    held = base64.b64encode(SCAN).decode()
    path.write_text(
        '{"cells": [{"cell_type": "markdown", "source": "Above", "attachments": {"1.png":'
        f' {{"image/png": "{held}"}}}}}}]}}'
    )


def letter(text: str) -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["Subject"], made["Date"] = (
        "ada@example.org",
        "Above",
        "Mon, 23 Nov 2026 09:00:00 +0000",
    )
    made.set_content(text)
    return made


def mail(path: Path, *, inline: bool = True) -> None:
    made = letter("See the picture.")
    disposition = "inline" if inline else "attachment"
    made.add_attachment(SCAN, "image", "png", disposition=disposition, filename="scan.png")
    path.write_bytes(made.as_bytes())


def archived(path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr("scan.png", SCAN)
    made = letter("See the archive.")
    made.add_attachment(held.getvalue(), "application", "zip", filename="all.zip")
    path.write_bytes(made.as_bytes())


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.docx", word),
        ("a.pptx", slides),
        ("a.xlsx", sheet),
        ("a.epub", book),
        ("a.odt", open_text),
        ("a.rtf", rich),
        ("a.html", page),
        ("a.ipynb", notebook),
        ("a.eml", mail),
        ("b.eml", archived),
    ],
)
def test_each_format_gives_its_pictures(
    tmp_path: Path, name: str, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recognition is tested above; this checks that it receives exactly the bytes of the picture."""
    monkeypatch.setattr(
        Recognition, "_read", lambda self, data, kind: module.Seen(LINES) if data == SCAN else None
    )
    path = tmp_path / name
    make(path)
    found = list(guarded(path, sniff(path, name), 10, recognition()))
    assert isinstance(found[0], Head)
    content = text(found)
    assert content.index("Above") < content.index("brass sextant")
    assert Note(Part.PICTURE, 1) in found
    assert reports(found) == []


def test_an_attached_picture_is_read_or_refused_by_its_name(tmp_path: Path) -> None:
    mail(tmp_path / "a.eml", inline=False)
    kind = sniff(tmp_path / "a.eml", "a.eml")
    found = list(guarded(tmp_path / "a.eml", kind, 10, recognition()))
    assert "Attachment: scan.png\nDelivered: one brass sextant" in text(found)
    assert reports(found, read=True)[-1:] == [""]
    assert "attachment scan.png was read as part of this document" in reports(found, read=True)
    found = list(guarded(tmp_path / "a.eml", kind, 10, Recognition(None)))
    assert "The attached file scan.png was not read: it is a picture that was not read" in text(found)
