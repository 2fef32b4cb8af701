"""Files as people upload them: a readable one of each format, and one with each fault."""

from __future__ import annotations

import io
import secrets

from fpdf import FPDF
from fpdf.enums import AccessPermission
from pypdf import PdfWriter

from services.rag_core.tests import office
from tests.eval import manuals

LONG_PAGES = 60
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def word() -> str:
    """Return a random word that is in no other document."""
    return f"zq{secrets.token_hex(6)}"


def manual() -> bytes:
    """A real PDF of over 100 pages, from a Debian package."""
    return manuals.r_introduction().read_bytes()


def long() -> bytes:
    """The first pages of the manual with a hash of their own: enough for reading them to be interrupted."""
    writer, content = PdfWriter(), io.BytesIO()
    writer.append(manuals.r_introduction(), pages=(0, LONG_PAGES))
    writer.write(content)
    return as_another(content.getvalue())


def as_another(pdf: bytes) -> bytes:
    """Return the same document with another hash: a comment is added after the end of the PDF."""
    return pdf + f"\n% {word()}\n".encode()


def story(keyword: str) -> str:
    """Return a few sentences that contain a keyword."""
    return (
        f"The lighthouse of {keyword} was built in 1874 by the engineer Ada Brunn. "
        f"Its lamp burns colza oil, and the keeper of {keyword} climbs 212 steps every evening."
    )


def pdf(*pages: str, password: str = "") -> bytes:
    """Return a PDF with one page for each text."""
    document = FPDF()
    if password:
        document.set_encryption(
            owner_password=password, user_password=password, permissions=AccessPermission.none()
        )
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        document.multi_cell(0, 8, text)
    return bytes(document.output())


def good(kind: str, keyword: str) -> bytes:
    """Return a readable file of one format that contains a keyword."""
    text = story(keyword)
    if kind == "pdf":
        return pdf("A preface without any content of note.", text)
    if kind == "docx":
        return office.whole(kind, text)
    if kind == "html":
        return f"<!doctype html><html><body><h1>Lighthouses</h1><p>{text}</p></body></html>".encode()
    if kind == "md":
        return f"# Lighthouses\n\n{text}\n".encode()
    return f"{text}\n".encode()


def empty_pdf() -> bytes:
    """A PDF without a page."""
    written = io.BytesIO()
    PdfWriter().write(written)
    return written.getvalue()


def bad() -> dict[str, tuple[str, bytes, str]]:
    """Map each fault to a file name, its content and error code; each is refused or fails with its reason."""
    whole = pdf(story(word()), story(word()))
    harmed: dict[str, tuple[str, bytes, str]] = {}
    for kind, part in office.PARTS.items():
        good_one = office.whole(kind, story(word()))
        harmed[f"{kind} broken off"] = (f"broken-off.{kind}", office.broken_off(good_one), "corrupt")
        harmed[f"{kind} with its markup cut"] = (f"cut.{kind}", office.cut(good_one, part), "corrupt")
    return {
        "empty": ("empty.pdf", b"", "upload_empty"),
        "encrypted": ("encrypted.pdf", pdf(story(word()), password=word()), "encrypted"),
        "corrupt": ("corrupt.pdf", whole[:200] + b"\x00" * 400 + whole[200:300], "corrupt"),
        "no page": ("no-page.pdf", empty_pdf(), "no_pages"),
        "a picture named as PDF": ("picture.pdf", PNG, "upload_unsupported"),
        "a program named as text": ("program.txt", b"\x7fELF" + bytes(4096), "upload_unsupported"),
        "an archive": ("archive.docx", office.archive_of("a.txt"), "upload_unsupported"),
        "first bytes of an archive": ("begun.docx", b"PK\x03\x04" + bytes(64), "upload_unsupported"),
        **harmed,
    }
