"""Office files, tables, books and mail, made by third-party libraries and read in the real child process."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import openpyxl
import pptx
import pytest
from pptx.util import Inches

from rag_core.errors import ExtractionFailed, UploadRefused
from rag_core.extract import Block, BlockKind, Head, Limits, Note, Parser
from rag_core.extract.chunk import Chunker
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, name: str = "") -> tuple[Head, list[Block]]:
    """Sniff and parse a file, so that each test of a format covers both."""
    head, *rest = parser.parse(path, sniff(path, name or path.name))
    assert isinstance(head, Head)
    return head, [b for b in rest if isinstance(b, Block)]


def failure(parser: Parser, path: Path) -> ExtractionFailed:
    with pytest.raises(ExtractionFailed) as caught:
        list(parser.parse(path, sniff(path, path.name)))
    return caught.value


def shown(blocks: list[Block]) -> list[tuple[str, str, int]]:
    return [(b.kind.value, b.text, b.page) for b in blocks]


# --- PPTX ----------------------------------------------------------------------------------------


def deck(path: Path) -> Path:
    slides = pptx.Presentation()
    one = slides.slides.add_slide(slides.slide_layouts[1])
    one.shapes.title.text = "Tides"
    frame = one.placeholders[1].text_frame
    frame.text = "Two a day"
    inner = frame.add_paragraph()
    inner.text, inner.level = "nearly", 1
    one.notes_slide.notes_text_frame.text = "Mention the moon."
    two = slides.slides.add_slide(slides.slide_layouts[5])
    two.shapes.title.text = "Heights"
    table = two.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for (row, column), text in {(0, 0): "port", (0, 1): "m", (1, 0): "Brest", (1, 1): "7.2"}.items():
        table.cell(row, column).text = text
    slides.core_properties.title = "Sea"
    slides.save(str(path))
    return path


def test_slides_keep_titles_lists_tables_and_notes(parser: Parser, tmp_path: Path) -> None:
    head, blocks = read(parser, deck(tmp_path / "sea.pptx"))
    assert (head.title, head.pages) == ("Sea", 2)
    assert shown(blocks) == [
        ("heading", "Tides", 1),
        ("text", "- Two a day\n  - nearly", 1),
        ("text", "Notes: Mention the moon.", 1),
        ("heading", "Heights", 2),
        ("table", "| port | m |\n| --- | --- |\n| Brest | 7.2 |", 2),
    ]


# --- XLSX and CSV --------------------------------------------------------------------------------


def book(path: Path, rows: list[list[Any]], **more: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.active.title = "First"
    for row in rows:
        made.active.append(row)
    for name, others in more.items():
        sheet = made.create_sheet(name)
        for row in others:
            sheet.append(row)
    made.save(path)
    return path


def test_workbook_sheets_are_pages_and_blank_rows_end_a_table(parser: Parser, tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Stations of the coast"],
        ["name", "depth", "on"],
        ["Ushant", 42.0, True],
        [],
        ["a", "b"],
        [1.5, None],
    ]
    head, blocks = read(parser, book(tmp_path / "b.xlsx", rows, Second=[["k", "v"], ["x|y", 2]]))
    assert head.pages == 2
    assert shown(blocks) == [
        ("heading", "First", 1),
        ("text", "Stations of the coast", 1),
        ("table", "| name | depth | on |\n| --- | --- | --- |\n| Ushant | 42 | TRUE |", 1),
        ("table", "| a | b |\n| --- | --- |\n| 1.5 |  |", 1),
        ("heading", "Second", 2),
        ("table", "| k | v |\n| --- | --- |\n| x\\|y | 2 |", 2),
    ]


def test_long_workbook_repeats_its_head_in_each_part_and_loses_no_row(parser: Parser, tmp_path: Path) -> None:
    path = book(tmp_path / "long.xlsx", [["name", "value"], *([f"row{n}", n] for n in range(3000))])
    _, blocks = read(parser, path)
    tables = [b for b in blocks if b.kind is BlockKind.TABLE]
    assert len(tables) > 3
    assert all(t.text.startswith("| name | value |\n| --- | --- |\n| row") for t in tables)
    chunks = list(Chunker(240).chunks(iter(blocks)))
    assert all("| name | value |" in c.text for c in chunks)
    text = "\n".join(c.text for c in chunks)
    assert all(f"| row{n} | {n} |" in text for n in range(3000))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_table_of_separated_values_is_known_by_its_content(
    parser: Parser, tmp_path: Path, delimiter: str, name: str
) -> None:
    path = tmp_path / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows(
            [
                ["port", "height", "note"],
                ["Brest", "7.2", 'a "b", c'],
                ["Cadiz", "3.1", ""],
                ["Faro", "3", "x"],
            ]
        )
    _, blocks = read(parser, path)
    assert shown(blocks) == [
        (
            "table",
            "| port | height | note |\n| --- | --- | --- |\n"
            '| Brest | 7.2 | a "b", c |\n| Cadiz | 3.1 |  |\n| Faro | 3 | x |',
            1,
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Dear all, the ferry leaves at nine, as ever.\nBring hats and boots, please.\nYours, the crew\n",
        "one\ntwo\nthree\nfour\n",
        "a, b\nc, d\n",
    ],
)
def test_prose_with_commas_stays_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.txt").write_text(text)
    assert sniff(tmp_path / "p.txt", "p.txt") is DocumentKind.TEXT


# --- EPUB ----------------------------------------------------------------------------------------

CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"""
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Keeper</dc:title></metadata>
<manifest><item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="p.png" media-type="image/png"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""


def epub(path: Path, **more: str) -> Path:
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/content.opf", PACKAGE)
        archive.writestr("OEBPS/text/one.xhtml", page.format("<h1>Night</h1><p>The lamp is lit.</p>"))
        archive.writestr("OEBPS/text/two b.xhtml", page.format("<h1>Day</h1><ul><li>sleep</li></ul>"))
        for name, content in more.items():
            name = name.replace("__", "/")
            archive.writestr(name if "." in name else f"{name}.xml", content)
    return path


def test_book_is_read_in_the_order_of_its_spine(parser: Parser, tmp_path: Path) -> None:
    head, blocks = read(parser, epub(tmp_path / "k.epub"))
    assert (head.title, head.pages) == ("The Keeper", 2)
    assert shown(blocks) == [
        ("heading", "Night", 1),
        ("text", "The lamp is lit.", 1),
        ("heading", "Day", 2),
        ("text", "- sleep", 2),
    ]


def rights(*names: str) -> str:
    """The encryption.xml of a book, listing these parts."""
    parts = "".join(
        f'<enc:EncryptedData><enc:CipherData><enc:CipherReference URI="{name}"/></enc:CipherData>'
        "</enc:EncryptedData>"
        for name in names
    )
    return f'<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#">{parts}</encryption>'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"META-INF__encryption": rights("OEBPS/text/one.xhtml")}, "(DRM)"),
        (
            {"META-INF__encryption": rights("OEBPS/text/two%20b.xhtml"), "META-INF__rights": "<rights/>"},
            "DRM of Adobe",
        ),
        ({"META-INF__encryption": rights("/OEBPS/text/one.xhtml"), "META-INF__sinf": "<x/>"}, "DRM of Apple"),
        (
            {"META-INF__encryption": rights("./OEBPS/text/one.xhtml"), "META-INF__license.lcpl": "{}"},
            "Readium LCP",
        ),
        ({"META-INF__encryption": "<encr", "META-INF__rights": "<rights/>"}, "DRM of Adobe"),
    ],
    ids=["unknown", "Adobe", "Apple", "LCP", "a list that is damaged"],
)
def test_book_locked_by_its_publisher_says_so_and_what_to_do(
    parser: Parser, tmp_path: Path, more: dict[str, str], expected: str
) -> None:
    error = failure(parser, epub(tmp_path / "locked.epub", **more))
    assert error.code == "encrypted"
    assert expected in error.message
    assert "ask the publisher or the shop for a copy without DRM" in error.message


@pytest.mark.parametrize(
    "more",
    [
        {"META-INF__encryption": rights("OEBPS/fonts/lamp.otf", "OEBPS/fonts/b.ttf")},
        {"META-INF__rights": "<rights/>"},
        {"META-INF__encryption": "<encr"},
    ],
    ids=["fonts obfuscated", "bought and not locked", "damaged and no lock"],
)
def test_book_whose_text_is_open_is_read(parser: Parser, tmp_path: Path, more: dict[str, str]) -> None:
    assert shown(read(parser, epub(tmp_path / "k.epub", **more))[1])[0] == ("heading", "Night", 1)


def test_pictures_of_a_book_that_no_word_describes_are_named(parser: Parser, tmp_path: Path) -> None:
    pictures = (
        '<img src="a.png"/><img alt="" src="b.png"/><img alt="The lamp" src="c.png"/><image xlink:href="d"/>'
    )
    path = tmp_path / "pictures.epub"
    with zipfile.ZipFile(epub(tmp_path / "good.epub")) as good, zipfile.ZipFile(path, "w") as made:
        for entry in good.infolist():
            content = good.read(entry)
            if entry.filename.endswith("two b.xhtml"):
                content = content.replace(b"<ul>", pictures.encode() + b"<ul>")
            made.writestr(entry.filename, content)
    notes = [item for item in parser.parse(path, DocumentKind.EPUB) if isinstance(item, Note)]
    assert [(note.count, note.read, note.message) for note in notes] == [
        (3, False, "chapter 2: 3 pictures without a description, not read")
    ]


def test_chapter_that_a_book_lists_a_thousand_times_is_read_once(parser: Parser, tmp_path: Path) -> None:
    """Otherwise a chapter of 50 MiB would keep the parser busy for hours."""
    again = PACKAGE.replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 1000)
    path = tmp_path / "again.epub"
    with zipfile.ZipFile(epub(tmp_path / "good.epub")) as good, zipfile.ZipFile(path, "w") as bad:
        for entry in good.infolist():
            bad.writestr(entry.filename, again if entry.filename.endswith(".opf") else good.read(entry))
    head, blocks = read(parser, path)
    assert (head.pages, len(blocks)) == (2, 4)


def test_book_cannot_make_the_parser_open_other_files(parser: Parser, tmp_path: Path) -> None:
    evil = '<!DOCTYPE package [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + PACKAGE.replace(
        "The Keeper", "&x;"
    )
    path = tmp_path / "evil.epub"
    with zipfile.ZipFile(epub(tmp_path / "good.epub")) as good, zipfile.ZipFile(path, "w") as bad:
        for entry in good.infolist():
            bad.writestr(entry.filename, evil if entry.filename.endswith(".opf") else good.read(entry))
    assert read(parser, path)[0].title == ""


# --- e-mail --------------------------------------------------------------------------------------


def mail(path: Path) -> Path:
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@example.org>", "bo@example.org"
    message["Subject"], message["Date"] = "Fähre um neun", "Mon, 23 Nov 2026 09:00:00 +0000"
    message.set_content("The ferry leaves at nine.\n\n> Really?\n\nYes.")
    message.add_alternative("<p>The <b>ferry</b> leaves at nine.</p><p>Really? Yes.</p>", subtype="html")
    message.add_attachment(b"port;m\nBrest;7.2\n", maintype="text", subtype="csv", filename="heights.csv")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0", maintype="image", subtype="png", filename="map.png")
    path.write_bytes(message.as_bytes())
    return path


@pytest.mark.parametrize("name", ["m.eml", "m.txt"])
def test_mail_gives_headers_text_and_what_is_attached(parser: Parser, tmp_path: Path, name: str) -> None:
    head, blocks = read(parser, mail(tmp_path / name))
    assert head.title == "Fähre um neun"
    text = "\n".join(b.text for b in blocks)
    assert "From: Ada <ada@example.org>" in text
    assert "The ferry leaves at nine." in text
    assert text.count("ferry leaves") == 1, "one of the two editions is enough"
    assert ("heading", "Attachment: heights.csv", 1) in shown(blocks)
    assert ("table", "| port | m |\n| --- | --- |\n| Brest | 7.2 |", 1) in shown(blocks)
    assert "The attached file map.png was not read: it is a picture that was not read" in text


def test_page_of_html_mail_is_read_when_there_is_no_plain_text(parser: Parser, tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "S"
    message.set_content("<h2>Plan</h2><p>Go &amp; see</p>", subtype="html")
    (tmp_path / "h.eml").write_bytes(message.as_bytes())
    assert ("text", "Go & see", 1) in shown(read(parser, tmp_path / "h.eml")[1])


# --- bad files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["ppt/presentation.xml", "xl/workbook.xml", "META-INF/container.xml"])
def test_every_kind_of_archive_is_guarded_against_bombs(parser: Parser, tmp_path: Path, part: str) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, "<x/>")
        with archive.open("media/huge.bin", "w") as entry:
            for _ in range(310):
                entry.write(b" " * 2**20)
    assert failure(parser, path).code == "zip_bomb"


@pytest.mark.parametrize(
    "text",
    ["BMW", "MZ 700", "OTTO", "ID3 tags", "GIF89a", "OggS", "BZh", "070707,070708", "!BDN", "RIFF and WAVE",
     "the ftyp", f"{'.' * 257}ustar"],
)  # fmt: skip
def test_text_may_begin_as_a_picture_or_a_program_does(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "notes.txt").write_text(f"{text} is how this line begins.\nAnd this is the next.\n")
    assert sniff(path, path.name) is DocumentKind.TEXT


@pytest.mark.parametrize(
    ("head", "what"),
    [(b"BM", "a picture"), (b"MZ", "a program"), (b"OTTO", "a font"), (b"ID3\x03", "sound"),
     (b"RIFF\x24\0\0\0WAVE", "sound"), (b"!<arch>\ndebian", "an archive"), (b"%!PS-Adobe", "PostScript")],
)  # fmt: skip
def test_those_that_do_are_refused_by_name(tmp_path: Path, head: bytes, what: str) -> None:
    tail = b" plain text" if what in ("PostScript", "an archive") else bytes(64)
    (path := tmp_path / "notes.txt").write_bytes(head + tail)
    with pytest.raises(UploadRefused, match=f"is {what}"):
        sniff(path, path.name)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (OLE + "EncryptedPackage".encode("utf-16-le"), "upload_encrypted", "password"),
        (OLE + "WordDocument".encode("utf-16-le"), "upload_unsupported", ".docx"),
        (b"\x7fELF" + b"\0" * 100, "upload_unsupported", "a program"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, code: str, message: str
) -> None:
    (tmp_path / "x.docx").write_bytes(content)
    with pytest.raises(UploadRefused, match=message) as caught:
        sniff(tmp_path / "x.docx", "x.docx")
    assert caught.value.code == code


def test_ending_does_not_decide(parser: Parser, tmp_path: Path) -> None:
    deck(tmp_path / "x.pptx").rename(tmp_path / "x.pdf")
    assert sniff(tmp_path / "x.pdf", "x.pdf") is DocumentKind.PPTX
