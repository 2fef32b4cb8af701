"""Fields of a form: the label printed beside each, and the value filled in."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf.rules import turned

_LONGEST = 1 << 20  # bytes of one value
_NEAR = 250.0  # points to the left of a field, or to the right of a check box
_ROW = 6.0
_TICKED = {pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON}
_CHOSEN = {pdfium_c.FPDF_FORMFIELD_LISTBOX, pdfium_c.FPDF_FORMFIELD_COMBOBOX}
_FILLED = {pdfium_c.FPDF_FORMFIELD_TEXTFIELD} | _CHOSEN


@dataclass(slots=True)
class Widget:
    """A field and its place on the page."""

    kind: int
    name: str
    label: str
    value: str
    ticked: bool
    left: float
    bottom: float
    right: float
    top: float


def widget(form: Any, annotation: Any) -> Widget:
    """Read a field from pdfium."""
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)

    def text(ask: Callable[..., int]) -> str:
        return wide(partial(ask, form, annotation))

    if kind in _TICKED:
        filled = text(pdfium_c.FPDFAnnot_GetFormFieldExportValue)
    else:
        filled = text(pdfium_c.FPDFAnnot_GetFormFieldValue) if kind in _FILLED else ""
    if kind in _CHOSEN:
        filled = _options(form, annotation) or filled
    box = pdfium_c.FS_RECTF()
    pdfium_c.FPDFAnnot_GetRect(annotation, box)
    return Widget(
        kind,
        text(pdfium_c.FPDFAnnot_GetFormFieldName),
        text(pdfium_c.FPDFAnnot_GetFormFieldAlternateName),
        filled.strip(),
        bool(pdfium_c.FPDFAnnot_IsChecked(form, annotation)) if kind in _TICKED else False,
        box.left,
        min(box.bottom, box.top),
        box.right,
        max(box.bottom, box.top),
    )


def _options(form: Any, annotation: Any) -> str:
    """Return a list's selected options as shown; the stored value may be a code."""
    chosen = []
    for i in range(min(2_000, pdfium_c.FPDFAnnot_GetOptionCount(form, annotation))):
        if pdfium_c.FPDFAnnot_IsOptionSelected(form, annotation, i):
            chosen.append(wide(partial(pdfium_c.FPDFAnnot_GetOptionLabel, form, annotation, i)))
    return ", ".join(one for one in chosen if one)


def lines(widgets: Sequence[Widget], textpage: pdfium.PdfTextPage, rotation: int) -> Iterator[str]:
    """Yield a line for each field that is filled in and for each check box, from top to bottom."""

    def place(one: Widget) -> tuple[float, float]:
        x, y = turned(rotation, (one.left + one.right) / 2, (one.bottom + one.top) / 2)
        return -round(y / _ROW), x

    for one in sorted(widgets, key=place):
        if one.kind in _TICKED:
            printed = _beside(one, textpage, after=True) or _beside(one, textpage, after=False)
            label = one.label or printed or one.name
            if one.kind == pdfium_c.FPDF_FORMFIELD_CHECKBOX:
                yield f"{label}: {'yes' if one.ticked else 'no'}"
            elif one.ticked:
                chosen = printed or one.value
                of = one.label if one.label and one.label != chosen else one.name
                more = f" ({one.value})" if one.value and one.value not in (chosen, "Yes", "On") else ""
                yield f"{of}: {chosen}{more}"
        elif one.kind in _FILLED and one.value:
            yield f"{one.label or _beside(one, textpage, after=False) or one.name}: {one.value}"


def _beside(one: Widget, textpage: pdfium.PdfTextPage, *, after: bool) -> str:
    """Return the words printed right before a field, or after it; if there are none, those above it."""
    low, high = (one.bottom + one.top) / 2 - _ROW / 2, (one.bottom + one.top) / 2 + _ROW / 2
    if after:
        found = textpage.get_text_bounded(one.right, low, one.right + _NEAR, high)
    else:
        found = textpage.get_text_bounded(one.left - _NEAR, low, one.left, high)
        if not found.strip():  # try the top and the bottom of a tall field
            found = textpage.get_text_bounded(one.left - _NEAR, one.bottom, one.left, one.top)
        if not found.strip():
            found = textpage.get_text_bounded(one.left, one.top, one.right, one.top + 2 * _ROW)
    words = " ".join(found.split())
    parts = [part for part in re.split(r"\s?[_\u2026]{2,}\s?|:\s", words.rstrip(": ")) if part]
    return (parts[0] if after else parts[-1])[:200] if parts else ""


def wide(ask: Callable[[Any, int], int]) -> str:
    """Return a UTF-16 string from a function of pdfium, calling it for the length first."""
    size = ask(None, 0)
    if not 2 < size <= _LONGEST:
        return ""
    buffer = ctypes.create_string_buffer(size)
    if ask(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size) > size:
        return ""
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
