"""Files inside a PDF: those of the document or portfolio, and those attached to a page."""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.apart import apart
from rag_core.extract.attached import MAX_BYTES, MAX_FILES, Reader, attached, unread
from rag_core.extract.blocks import Item, Note, Part, Pulse, clean
from rag_core.extract.pdf.fields import wide

_SECONDS = 30.0
_FOLDER = re.compile(r"^<\d+>")  # the prefix for a portfolio's folder


def files(
    document: pdfium.PdfDocument, pinned: Sequence[tuple[int, int]], read: Reader | None
) -> Iterator[Item]:
    """Yield blocks and notes of each embedded file; `pinned` are (page, annotation), both counted from 0."""
    met: set[bytes] = set()
    count = 0
    for page, attachment in _attachments(document, pinned):
        count += 1
        if count > MAX_FILES:
            continue
        name = clean(wide(partial(pdfium_c.FPDFAttachment_GetName, attachment)))
        name = _FOLDER.sub("", name).replace("\n", " ") or f"file {count}"
        yield Pulse(page)
        if read is None:
            yield from unread(name, "it is too deep inside other files; add it by itself", page)
            continue
        # A file of a few bytes may unpack to gigabytes: unpack it in a process where that does no harm.
        data = apart(partial(_bytes, attachment), _SECONDS, MAX_BYTES)
        if data is None:
            yield from unread(
                name, "it is damaged, or too large to be read from here; add it by itself", page
            )
        elif (mark := hashlib.sha256(name.encode() + data).digest()) not in met:
            met.add(mark)
            yield from attached(data, name, read, page)
    if count > MAX_FILES:
        more = count - MAX_FILES
        message = f"{more:,} attachments over the {MAX_FILES} allowed were not read; add them by themselves"
        yield Note(Part.ATTACHMENT, more, read=False, message=message)


def _attachments(
    document: pdfium.PdfDocument, pinned: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, Any]]:
    """Yield each embedded file with its page, counted from 1."""
    for i in range(pdfium_c.FPDFDoc_GetAttachmentCount(document.raw)):
        if attachment := pdfium_c.FPDFDoc_GetAttachment(document.raw, i):
            yield 1, attachment
    for index, number in pinned:
        page = document[index]
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, number)
        try:
            if attachment := pdfium_c.FPDFAnnot_GetFileAttachment(annotation):
                yield index + 1, attachment
        finally:
            pdfium_c.FPDFPage_CloseAnnot(annotation)
            page.close()


def _bytes(attachment: Any) -> bytes:
    """Return an embedded file's content. Raises ValueError if there is none or too much."""
    size = ctypes.c_ulong()
    if not pdfium_c.FPDFAttachment_GetFile(attachment, None, 0, size) or size.value > MAX_BYTES:
        raise ValueError
    buffer = ctypes.create_string_buffer(max(1, size.value))
    if not pdfium_c.FPDFAttachment_GetFile(attachment, buffer, size.value, size):
        raise ValueError
    return buffer.raw[: size.value]
