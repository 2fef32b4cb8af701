"""What a page has beside its text: form fields with their values, and readers' annotations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract import html
from rag_core.extract.blocks import Block
from rag_core.extract.pdf import fields
from rag_core.extract.pdf.fields import wide

_HIDDEN = 2  # a flag of annotations
_MOST = 5_000  # annotations of one page
_KINDS = {
    pdfium_c.FPDF_ANNOT_TEXT: "Note",
    pdfium_c.FPDF_ANNOT_FREETEXT: "Text",
    pdfium_c.FPDF_ANNOT_STAMP: "Stamp",
    pdfium_c.FPDF_ANNOT_HIGHLIGHT: "Note",
    pdfium_c.FPDF_ANNOT_UNDERLINE: "Note",
    pdfium_c.FPDF_ANNOT_SQUIGGLY: "Note",
    pdfium_c.FPDF_ANNOT_STRIKEOUT: "Struck out",
    pdfium_c.FPDF_ANNOT_CARET: "Insertion",
    pdfium_c.FPDF_ANNOT_LINE: "Note",
    pdfium_c.FPDF_ANNOT_SQUARE: "Note",
    pdfium_c.FPDF_ANNOT_CIRCLE: "Note",
    pdfium_c.FPDF_ANNOT_POLYGON: "Note",
    pdfium_c.FPDF_ANNOT_POLYLINE: "Note",
    pdfium_c.FPDF_ANNOT_INK: "Note",
    pdfium_c.FPDF_ANNOT_FILEATTACHMENT: "Note",
    pdfium_c.FPDF_ANNOT_REDACT: "Note",
}
_PLAYED = {
    pdfium_c.FPDF_ANNOT_SOUND,
    pdfium_c.FPDF_ANNOT_MOVIE,
    pdfium_c.FPDF_ANNOT_SCREEN,
    pdfium_c.FPDF_ANNOT_RICHMEDIA,
    pdfium_c.FPDF_ANNOT_THREED,
}
_MARKS = {pdfium_c.FPDF_ANNOT_HIGHLIGHT, pdfium_c.FPDF_ANNOT_UNDERLINE, pdfium_c.FPDF_ANNOT_STRIKEOUT}


@dataclass(slots=True)
class Beside:
    """What was found beside a page's text; `files` are the indexes of annotations with a file."""

    fields: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    played: int = 0  # films, sounds, models


def beside(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, form: Any) -> Beside:
    """Return everything beside a page's text; `form` is pdfium's handle of the form, None without one."""
    found = Beside()
    widgets: list[fields.Widget] = []
    for i in range(min(_MOST, pdfium_c.FPDFPage_GetAnnotCount(page.raw))):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, i)
        if not annotation:
            continue
        try:
            kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium_c.FPDF_ANNOT_WIDGET:
                if form is not None and not pdfium_c.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                    widgets.append(fields.widget(form, annotation))
            elif kind in _KINDS:
                if kind == pdfium_c.FPDF_ANNOT_FILEATTACHMENT:
                    found.files.append(i)
                found.comments.extend(_comment(annotation, kind, textpage))
            elif kind in _PLAYED:
                found.played += 1
        finally:
            pdfium_c.FPDFPage_CloseAnnot(annotation)
    found.fields = list(fields.lines(widgets, textpage, page.get_rotation()))
    return found


def _comment(annotation: Any, kind: int, textpage: pdfium.PdfTextPage) -> Iterator[str]:
    text = value(annotation, b"Contents")
    if not text and (rich := value(annotation, b"RC")):
        text = " ".join(one.text for one in html.read(rich, 1)[1] if isinstance(one, Block))
    if not text and kind == pdfium_c.FPDF_ANNOT_STAMP:
        text = _drawn(annotation, textpage) or value(annotation, b"Name").lstrip("#")
    if not text and kind == pdfium_c.FPDF_ANNOT_FREETEXT:
        text = _drawn(annotation, textpage)
    if not text.strip():
        return
    author = value(annotation, b"T").strip()
    by = f" by {author}" if author else ""
    marked = _marked(annotation, textpage) if kind in _MARKS else ""
    on = f' on "{marked}"' if marked and marked != text.strip() else ""
    yield f"{_KINDS[kind]}{by}{on}: {text.strip()}"


def _marked(annotation: Any, textpage: pdfium.PdfTextPage) -> str:
    """Return the highlighted words."""
    corners = pdfium_c.FS_QUADPOINTSF()
    words = []
    for i in range(min(50, pdfium_c.FPDFAnnot_CountAttachmentPoints(annotation))):
        if pdfium_c.FPDFAnnot_GetAttachmentPoints(annotation, i, corners):
            xs = (corners.x1, corners.x2, corners.x3, corners.x4)
            ys = (corners.y1, corners.y2, corners.y3, corners.y4)
            words.append(textpage.get_text_bounded(min(xs), min(ys), max(xs), max(ys)))
    return " ".join(" ".join(words).split())[:300]


def _drawn(annotation: Any, textpage: pdfium.PdfTextPage) -> str:
    """Return the text in an annotation's own appearance."""
    words = []
    for i in range(min(200, pdfium_c.FPDFAnnot_GetObjectCount(annotation))):
        thing = pdfium_c.FPDFAnnot_GetObject(annotation, i)
        if pdfium_c.FPDFPageObj_GetType(thing) == pdfium_c.FPDF_PAGEOBJ_TEXT:
            words.append(wide(partial(pdfium_c.FPDFTextObj_GetText, thing, textpage.raw)))
    return " ".join(" ".join(words).split())


def value(annotation: Any, key: bytes) -> str:
    """Return a string from an annotation's dictionary; empty when there is none."""
    return wide(partial(pdfium_c.FPDFAnnot_GetStringValue, annotation, key))
