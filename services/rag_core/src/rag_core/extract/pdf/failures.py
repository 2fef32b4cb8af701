"""Finds why a PDF cannot be read, and what its owner can do."""

from __future__ import annotations

import logging
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.blocks import Unreadable

if TYPE_CHECKING:
    from rag_core.extract.pdf.pictures import Pictures

XFA = {pdfium_c.FORMTYPE_XFA_FULL, pdfium_c.FORMTYPE_XFA_FOREGROUND}
_TREE = {
    "pages": re.compile(rb"/Type\s*/Pages\b"),
    "page": re.compile(rb"/Type\s*/Page\b"),
    "none": re.compile(rb"/Count\s+0\b"),
}
_WAITING = re.compile(r"please\s+wait|adobe\s+(?:acrobat\s+)?reader", re.I)
_RIGHTS = (b"/Adobe.APS", b"/Adobe.PubSec", b"/MicrosoftIRMServices", b"/FoxitConnectedPDFDRM")
_PROBED = 20  # pages of an XFA form


def opened(path: Path) -> pdfium.PdfDocument:
    """Open the PDF. Raises Unreadable."""
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        data = path.read_bytes()
        text = str(error).lower()
        # Pdfium reports the previous failure where it knows no reason for this one.
        if ("password" in text or "security" in text) and b"/Encrypt" in data:
            if any(mark in data for mark in _RIGHTS):
                raise Unreadable(
                    "encrypted",
                    "the PDF is locked by rights management or a certificate; ask its owner for a copy",
                ) from error
            raise Unreadable(
                "encrypted", "the PDF is locked with a password; save a copy without one and upload that"
            ) from error
        raise _damage(data) from error


def checked(document: pdfium.PdfDocument, most: int) -> int:
    """Return the number of pages. Raises Unreadable unless it is between 1 and `most`."""
    pages = len(document)
    if pages == 0:
        raise Unreadable("no_pages", "the PDF has no pages")
    if pages > most:
        raise Unreadable(
            "too_many_pages", f"the PDF has {pages:,} pages, more than the {most:,} allowed; split it"
        )
    return pages


def form(document: pdfium.PdfDocument) -> int:
    """Initialise the document's form and return its kind.

    Raises Unreadable for a form that only Adobe's programs show.
    """
    kind = int(pdfium_c.FPDF_GetFormType(document.raw))
    if kind == pdfium_c.FORMTYPE_NONE:
        return kind
    # It warns that forms of this kind are not shown, which is handled here.
    logging.getLogger("pypdfium2").setLevel(logging.CRITICAL)
    document.init_forms()
    probed = range(min(_PROBED, len(document)))
    if kind in XFA and not any(_has_field(document, index) for index in probed):
        with closing(document[0]) as page, closing(page.get_textpage()) as textpage:
            waiting = _WAITING.search(textpage.get_text_range()) is not None
        if waiting or kind == pdfium_c.FORMTYPE_XFA_FULL:
            raise Unreadable(
                "xfa_form",
                "the PDF is an XFA form, whose text only Adobe's programs show; open it in Adobe Reader,"
                " print it to a new PDF and upload that",
            )
    return kind


def _has_field(document: pdfium.PdfDocument, index: int) -> bool:
    with closing(document[index]) as page:
        for i in range(pdfium_c.FPDFPage_GetAnnotCount(page.raw)):
            annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, i)
            kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
            pdfium_c.FPDFPage_CloseAnnot(annotation)
            if kind == pdfium_c.FPDF_ANNOT_WIDGET:
                return True
        return False


def nothing(pages: int, readable: int, unreadable: int, pictures: Pictures) -> Unreadable:
    """Return the reason why a PDF has no text."""
    why = f" ({pictures.missing})" if pictures.missing and pictures.seen else ""
    if unreadable > readable:
        return Unreadable(
            "unreadable_fonts",
            f"the PDF's fonts do not say which letters they show, so its text cannot be read{why};"
            " print it to a new PDF, or run it through OCR",
        )
    none = (
        "the PDF's only page holds no text" if pages == 1 else f"none of the PDF's {pages:,} pages holds text"
    )
    if pictures.too_much:
        return Unreadable("no_text", f"{none}; {pictures.too_much}")
    if pictures.seen and not pictures.missing:
        return Unreadable(
            "no_text",
            f"{none}, and none was recognised in pictures;"
            " if it is a scan, scan it sharper or in its right language",
        )
    if pictures.seen:
        return Unreadable("no_text", f"{none}{why}; it is likely a scan: run it through OCR first")
    return Unreadable("no_text", f"{none}, nor a picture that might show some: the PDF is blank")


def _damage(data: bytes) -> Unreadable:
    """Tell apart the kinds of damage that pdfium all reports as "data format error"."""
    found = {name: rule.search(data) for name, rule in _TREE.items()}
    if found["pages"] and found["none"] and not found["page"]:
        return Unreadable("no_pages", "the PDF has no pages")
    if b"%%EOF" not in data[-2048:]:
        return Unreadable("corrupt", "the PDF breaks off before its end; copy or download it again")
    return Unreadable("corrupt", "the PDF is damaged and cannot be opened; copy or download it again")
