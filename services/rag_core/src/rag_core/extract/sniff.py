"""Detects what a file is by its content; its extension only distinguishes Markdown from plain text."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from rag_core.errors import UploadRefused
from rag_core.extract import archives, delimited, encoding, signatures
from rag_core.models import DocumentKind

_HEAD_BYTES = 64 * 1024
_MARKDOWN_ENDINGS = {".md", ".markdown", ".mdown", ".mkd"}
_TABLE_ENDINGS = {".csv", ".tsv", ".tab", ".psv"}
_ACCEPTED = (
    "PDF, DOCX, PPTX, XLSX, OpenDocument, CSV, RTF, HTML, EPUB, e-mail (.eml, .msg, mbox), notebooks, XML,"
    " Markdown and plain text are accepted"
)
# Enough for the table of a document with 50,000 parts; a larger one fills memory before anything is read.
_MOST_DIRECTORY_BYTES = 8 * 1024 * 1024
_ARCHIVE_MARKS = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an empty archive
# A part that only this kind of archive has. Some Microsoft programs add a number to its name.
_ARCHIVES = {
    re.compile(r"word/document\d*\.xml"): DocumentKind.DOCX,
    re.compile(r"ppt/presentation\d*\.xml"): DocumentKind.PPTX,
    re.compile(r"xl/workbook\d*\.xml"): DocumentKind.XLSX,
    re.compile(r"META-INF/container\.xml"): DocumentKind.EPUB,
    re.compile(r"content\.xml"): DocumentKind.OPENDOCUMENT,
}
_IWORK = re.compile(r"^(?:Index/.*\.iwa|index\.apxl|Index\.zip|index\.xml|buildVersionHistory\.plist)")
# What the beginning of a truncated archive reveals about its kind.
_BEGINNINGS = {
    b"application/epub+zip": DocumentKind.EPUB,
    b"META-INF/container.xml": DocumentKind.EPUB,
    b"word/": DocumentKind.DOCX,
    b"ppt/": DocumentKind.PPTX,
    b"xl/": DocumentKind.XLSX,
}
_MAIL_HEADER = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,60}):(?:[ \t]|$)")
# The line before each message of a mailbox, and the length before one of Apple Mail.
_BEFORE_HEADERS = re.compile(r"From \S.{0,200}|\d{1,12}\s{0,10}")
_PLAIN_ENDINGS = {".txt", ".rst", ".vue", ".jsx", ".tsx", ".svelte"}
_MARKUP = re.compile(
    r"<(?:head|body|table|div|p|h[1-6]|meta|title|ul|ol|span|form|article|section|center|font|style)[\s>/]"
)
_XML = re.compile(r"<(?:svg|rss|feed|rdf:rdf|(?:[a-z0-9]{1,20}:)?(?:worddocument|package|workbook))[\s>]")
_FLAT = re.compile(r"^<(?:\?xml[^>]{0,200}>\s{0,20}<)?office:document\s")
_MAIL_KNOWN = {"from", "to", "subject", "date", "message-id", "mime-version", "received", "return-path"}


class PlainArchive(UploadRefused):
    """A zip archive that is not a document itself, but may contain some."""


def sniff(path: Path, name: str) -> DocumentKind:
    """Return the kind of the file at `path`; raises UploadRefused, naming it `name`, if unsupported."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise UploadRefused(
            "the file is empty (0 bytes); check that it was copied in full", code="upload_empty"
        )
    # PDF readers accept up to 1024 bytes of anything before the mark.
    if b"%PDF-" in head[:1024]:
        return DocumentKind.PDF
    if head.startswith(_ARCHIVE_MARKS):
        return _archive(path, name)
    if head.startswith(signatures.OLE):
        return _ole(path, name)
    if head.startswith(b"{\\rtf"):
        return DocumentKind.RTF
    if (known := signatures.named(head)) is not None:
        raise _refused(f"{name!r} is {known}")
    text = _text(path, name, head)
    if not text.strip() and path.stat().st_size <= _HEAD_BYTES:
        raise UploadRefused("the file holds blank space only; there is nothing to read", code="upload_empty")
    return _of_text(text.lstrip("\ufeff"), Path(name).suffix.lower())


def _of_text(text: str, ending: str) -> DocumentKind:
    start = text.lstrip(" \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")) or (
        start.startswith(("<?xml", "<!--")) and "<html" in start
    ):
        return DocumentKind.HTML
    if ending in {".html", ".htm", ".xhtml"} and start.startswith("<"):
        return DocumentKind.HTML
    if _MARKUP.match(start) and ending not in _MARKDOWN_ENDINGS | _PLAIN_ENDINGS:
        return DocumentKind.HTML
    if _FLAT.search(start[:4096]):
        return DocumentKind.OPENDOCUMENT
    if start.startswith("<?xml") or (_XML.match(start) and ending not in _MARKDOWN_ENDINGS):
        return DocumentKind.XML
    if start.startswith("{") and (ending == ".ipynb" or '"cell_type"' in start):
        return DocumentKind.NOTEBOOK
    if _is_mail(text):
        return DocumentKind.EMAIL
    if ending in _MARKDOWN_ENDINGS:
        return DocumentKind.MARKDOWN
    named = ending in _TABLE_ENDINGS
    is_table = delimited.form(text) is not None if named else delimited.is_table(text)
    return DocumentKind.CSV if is_table else DocumentKind.TEXT


def _text(path: Path, name: str, head: bytes) -> str:
    """Return the beginning of a text; raises UploadRefused if it is no text or its encoding is unsure."""
    try:
        try:
            how = encoding.of_bytes(head, partial=True)
        except encoding.Unsure:
            how = encoding.of_file(path)  # the whole file may settle it
    except encoding.NotText:
        raise _unsupported(name) from None
    except encoding.Unsure as error:
        raise UploadRefused(f"{name!r} is text, but {error}", code="upload_encoding") from None
    return head.decode(how.codec, errors="replace")


def _is_mail(text: str) -> bool:
    """Whether it begins with a block of headers, at least three of the usual ones, then a blank line."""
    known: set[str] = set()
    lines = text.splitlines()[:200]
    if lines and _BEFORE_HEADERS.fullmatch(lines[0]):
        del lines[0]
    for line in lines:
        if not line.strip():
            break
        found = _MAIL_HEADER.match(line)
        if found:
            known.add(found.group(1).lower())
        elif line[0] not in " \t":
            return False
    if {"mime-version", "content-type"} <= known:  # a web archive (.mht) names no sender
        return True
    return len(known & _MAIL_KNOWN) >= 3 and bool(known & {"from", "received", "return-path"})


def _archive(path: Path, name: str) -> DocumentKind:
    if archives.directory_bytes(path) > _MOST_DIRECTORY_BYTES:
        raise _refused(
            f"{name!r} is an archive of more parts than any document has; unpack it, and bring the files"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            declared = archives.declared(archive)
    except archives.DAMAGED:
        return _by_beginning(path, name)
    for part, kind in _ARCHIVES.items():
        if any(map(part.fullmatch, names)) and archives.may_be(kind, names, declared):
            return kind
    raise _no_document(names, name, declared)


def _by_beginning(path: Path, name: str) -> DocumentKind:
    """Detect a truncated archive by its first parts, since its table of parts is lost."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for mark, kind in _BEGINNINGS.items():
        if mark in head:
            return kind
    raise _refused(
        f"{name!r} begins as a zip archive (as Office files and books are), but breaks off or is damaged:"
        " copy or download it again"
    )


def _no_document(names: set[str], name: str, declared: str) -> UploadRefused:
    """Return the error for an intact archive of no supported kind."""
    if "encrypted-package" in names:
        return UploadRefused(
            f"{name!r} is encrypted; save a copy without a password and upload that", code="upload_encrypted"
        )
    for word, text in archives.DECLARED.items():
        if word in declared:
            return _refused(f"{name!r} is {text}")
    if any(_IWORK.search(part) for part in names):
        return _refused(
            f"{name!r} is a file of Pages, Numbers or Keynote; export it as PDF, DOCX, XLSX or PPTX"
        )
    if "opendocument" in declared or "META-INF/manifest.xml" in names:
        return _refused(f"{name!r} is an OpenDocument file without text; save it as PDF")
    if any(part.startswith("visio/") for part in names):
        return _refused(f"{name!r} is a Visio drawing; save it as PDF")
    if "xl/workbook.bin" in names:
        return _refused(f"{name!r} is a binary workbook (.xlsb); save it as .xlsx")
    if any(part.endswith(".fdseq") for part in names):
        return _refused(f"{name!r} is an XPS file; print it to PDF")
    if "[Content_Types].xml" in names:
        return _refused(
            f"{name!r} is an Office file without the text of a Word file, a presentation or a workbook: it is"
            " damaged, or of a kind that cannot be read. Open it with the program that made it, and save it"
            " as DOCX, PPTX, XLSX or PDF"
        )
    if "META-INF/MANIFEST.MF" in names:
        return _refused(f"{name!r} is a program for Java or Android")
    return PlainArchive(
        f"{name!r} is a plain zip archive, and no Word file, presentation, workbook or book; unpack it, and"
        " bring the files in it",
        code="upload_unsupported",
        http_status=415,
    )


def _ole(path: Path, name: str) -> DocumentKind:
    """Detect what an OLE file is: an encrypted or pre-2007 Office file, or an Outlook message."""
    found = signatures.Compound(path)
    if found.is_locked:
        raise UploadRefused(
            f"{name!r} is locked with a password; save a copy without one and upload that",
            code="upload_encrypted",
        )
    if found.is_message:
        return DocumentKind.EMAIL
    raise _refused(f"{name!r} is {found.description}")


def _unsupported(name: str) -> UploadRefused:
    return _refused(
        f"{name!r} is none of the kinds that can be read: its content is neither text nor known. {_ACCEPTED}"
    )


def _refused(message: str) -> UploadRefused:
    return UploadRefused(message, code="upload_unsupported", http_status=415)
