"""Office files, books and mail with a given text, made by maintained libraries, and ways to damage them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from email.message import EmailMessage

import docx
import openpyxl
import pptx

# The main part of each kind of archive.
PARTS = {
    "docx": "word/document.xml",
    "pptx": "ppt/slides/slide1.xml",
    "xlsx": "xl/worksheets/sheet1.xml",
    "epub": "b.opf",
}
_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def whole(kind: str, text: str) -> bytes:
    """A file of this kind with the text under the heading "Lighthouses", or beside that word."""
    made = io.BytesIO()
    if kind == "docx":
        document = docx.Document()
        document.add_heading("Lighthouses", level=1)
        document.add_paragraph(text)
        document.save(made)
    elif kind == "pptx":
        slides = pptx.Presentation()
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text_frame.text = "Lighthouses", text
        slides.save(made)
    elif kind == "xlsx":
        workbook = openpyxl.Workbook()
        for row in (["what", "said"], ["Lighthouses", text]):
            workbook.active.append(row)
        workbook.save(made)
    elif kind == "epub":
        return book([text])
    elif kind == "eml":
        return mail(text)
    else:
        raise ValueError(kind)
    return made.getvalue()


def book(chapters: list[str]) -> bytes:
    """An EPUB with a chapter, a0.xhtml and so on, for each text."""
    made = io.BytesIO()
    names = range(len(chapters))
    items = "".join(f'<item id="a{n}" href="a{n}.xhtml" media-type="application/xhtml+xml"/>' for n in names)
    spine = "".join(f'<itemref idref="a{n}"/>' for n in names)
    package = f"<manifest>{items}</manifest><spine>{spine}</spine>"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", _CONTAINER)
        archive.writestr(
            "b.opf", f'<package xmlns="http://www.idpf.org/2007/opf" version="3.0">{package}</package>'
        )
        for n, text in enumerate(chapters):
            body = f"<body><h1>Lighthouses</h1><p>{text}</p></body>"
            archive.writestr(f"a{n}.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml">{body}</html>')
    return made.getvalue()


def mail(text: str, attached: Mapping[str, bytes] | None = None) -> bytes:
    """A message with attached files."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "ada@example.org",
        "keeper@example.org",
        "Lighthouses",
    )
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    message.set_content(text)
    for name, content in (attached or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def broken_off(content: bytes) -> bytes:
    """The first half of a file, as left by an interrupted download."""
    return content[: len(content) // 2]


def cut(content: bytes, part: str) -> bytes:
    """The same archive, itself intact, with the markup of one part cut in half."""
    return changed(content, part, lambda markup: markup[: len(markup) // 2])


def without(content: bytes, part: str) -> bytes:
    """The same archive without one part."""
    return changed(content, part, lambda markup: None)


def corrupted(content: bytes, part: str) -> bytes:
    """The same archive with some bytes of a part flipped, as by a faulty disk."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = archive.getinfo(part)
    middle = entry.header_offset + 30 + len(part) + entry.compress_size // 2
    return (
        content[:middle] + bytes(one ^ 0xFF for one in content[middle : middle + 4]) + content[middle + 4 :]
    )


def swollen(content: bytes, part: str, mib: int) -> bytes:
    """The same archive with a part that unpacks to this many MiB of spaces."""
    return changed(content, part, lambda markup: b" " * (mib << 20))


def locked(content: bytes) -> bytes:
    """The same archive with each part marked as encrypted, as in password-protected archives."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory = archive.start_dir
    marked = bytearray(content)
    for mark, place, begin in ((b"PK\x03\x04", 6, 0), (b"PK\x01\x02", 8, directory)):
        at = content.find(mark, begin)
        while at >= 0:
            marked[at + place] |= 1
            at = content.find(mark, at + 4)
    return bytes(marked)


def renamed(content: bytes, old: str, new: str) -> bytes:
    """The same archive with a word replaced in its parts' names and in their markup."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            after.writestr(name.replace(old, new), before.read(name).replace(old.encode(), new.encode()))
    return made.getvalue()


def strict(content: bytes) -> bytes:
    """The same Office file with the namespaces of "Strict Open XML"; those of packages stay the same."""
    names = re.compile(rb"http://schemas\.openxmlformats\.org/(?!package/)(\w+)/2006")
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            after.writestr(name, names.sub(rb"http://purl.oclc.org/ooxml/\1", before.read(name)))
    return made.getvalue()


def archive_of(*names: str) -> bytes:
    """A zip archive with these parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return made.getvalue()


def changed(content: bytes, part: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """The same archive with a part changed, or left out if `change` returns None."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        before.getinfo(part)
        for name in before.namelist():
            kept = change(before.read(name)) if name == part else before.read(name)
            if kept is not None:
                after.writestr(name, kept)
    return made.getvalue()
