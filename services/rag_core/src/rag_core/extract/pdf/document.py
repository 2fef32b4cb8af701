"""A PDF from its head to its last block, window after window of pages; and what is wrong with a bad one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pypdfium2 as pdfium

from rag_core.extract.blocks import Head, Item, Ocr, Pulse, Unreadable
from rag_core.extract.pdf import headings, tables
from rag_core.extract.pdf.line import Line
from rag_core.extract.pdf.paragraphs import page_blocks
from rag_core.extract.pdf.reading import Pictures, legibility, page_lines
from rag_core.extract.pdf.running import Running
from rag_core.extract.pdf.scale import sampled

_WINDOW = 40  # pages looked at together for running headers
_SCANNED_WINDOW = 8  # a scanned page takes seconds: fewer are waited for
_TREE = {"pages": rb"/Type\s*/Pages\b", "page": rb"/Type\s*/Page\b", "none": rb"/Count\s+0\b"}


def parse(path: Path, max_pages: int, reader: Ocr | None = None) -> Iterator[Item]:
    """Head and blocks of a PDF; pages without usable text are read by `reader` from their picture."""
    document = _open(path)
    try:
        pages = len(document)
        if pages == 0:
            raise Unreadable("no_pages", "the PDF has no pages")
        if pages > max_pages:
            raise Unreadable(
                "too_many_pages",
                f"the PDF has {pages:,} pages, more than the {max_pages:,} allowed; split it",
            )
        title = str(document.get_metadata_dict().get("Title") or "")
        yield Head(title=title.strip(), pages=pages)
        titles = headings.outline(document)
        # Bookmarks on one page name the document or where it came from; they are no outline of it.
        scale = None if len(titles) > 1 else (yield from sampled(document))
        readable = unreadable = 0
        pictures = Pictures(reader)
        above: Line | None = None  # the last on the page before
        start = 0
        while start < pages:
            window: list[list[Line]] = []
            seen = pictures.seen
            while start + len(window) < pages and len(window) < _WINDOW:
                window.append(page_lines(document, start + len(window), pictures, scale))
                yield Pulse(start + len(window))
                if pictures.seen > seen and len(window) >= _SCANNED_WINDOW:
                    break
            running = Running(window, start + 1)
            scale = scale and headings.learnt(scale, window, start)
            for number, lines in enumerate(window, start=start + 1):
                good, bad = legibility(lines)
                readable += good
                unreadable += bad
                here = titles.get(number, [])
                own = running.without(lines, number, partial(headings.likely, titles=here, scale=scale))
                tables.continued(above, own)
                above = own[-1] if own else None
                own = headings.by_type(own, scale) if scale else own
                yield from page_blocks(headings.by_outline(own, here), number)
            start += len(window)
        if readable == 0 or unreadable > readable:
            raise _nothing(pages, readable, unreadable, pictures)
    finally:
        document.close()


def _nothing(pages: int, readable: int, unreadable: int, pictures: Pictures) -> Unreadable:
    why = f" ({pictures.missing})" if pictures.missing and pictures.seen else ""
    if unreadable > readable:
        return Unreadable(
            "unreadable_fonts",
            f"the PDF's fonts do not say which letters they show, so its text cannot be read{why};"
            " print it to a new PDF, or run it through OCR",
        )
    if pictures.seen and not pictures.missing:
        return Unreadable(
            "no_text",
            f"none of the PDF's {pages} pages holds text, and none was recognised in their pictures;"
            " if it is a scan, scan it sharper or in its right language",
        )
    if pictures.seen:
        return Unreadable(
            "no_text",
            f"none of the PDF's {pages} pages holds text{why}; it is likely a scan: run it through OCR first",
        )
    return Unreadable("no_text", f"the PDF's {pages} pages are blank: they hold neither text nor pictures")


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        data = path.read_bytes()
        said = str(error).lower()
        # Pdfium tells of the failure before where it knows no reason for this one.
        if ("password" in said or "security" in said) and b"/Encrypt" in data:
            raise Unreadable(
                "encrypted", "the PDF is locked with a password; save a copy without one and upload that"
            ) from error
        raise _damage(data) from error


def _damage(data: bytes) -> Unreadable:
    """Pdfium says "data format error" for all of these; people need to know which."""
    found = {name: re.search(rule, data) for name, rule in _TREE.items()}
    if found["pages"] and found["none"] and not found["page"]:
        return Unreadable("no_pages", "the PDF has no pages")
    if b"%%EOF" not in data[-2048:]:
        return Unreadable("corrupt", "the PDF breaks off before its end; copy or download it again")
    return Unreadable("corrupt", "the PDF is damaged and cannot be opened; copy or download it again")
