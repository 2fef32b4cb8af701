"""Fields of a form: what is printed beside each, and what was filled in."""

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
_NEAR = 250.0  # points to the left of a field, or to the right of a box to tick
_ROW = 6.0
_TICKED = {pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON}
_CHOSEN = {pdfium_c.FPDF_FORMFIELD_LISTBOX, pdfium_c.FPDF_FORMFIELD_COMBOBOX}
_FILLED = {pdfium_c.FPDF_FORMFIELD_TEXTFIELD} | _CHOSEN


@dataclass(slots=True)
class Widget:
    """A field where it is on the page."""

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
    """What pdfium knows of a field."""
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
    """What is chosen of a list, as it is shown: its value may be a code."""
    chosen = []
    for i in range(min(2_000, pdfium_c.FPDFAnnot_GetOptionCount(form, annotation))):
        if pdfium_c.FPDFAnnot_IsOptionSelected(form, annotation, i):
            chosen.append(wide(partial(pdfium_c.FPDFAnnot_GetOptionLabel, form, annotation, i)))
    return ", ".join(one for one in chosen if one)


def lines(widgets: Sequence[Widget], textpage: pdfium.PdfTextPage, rotation: int) -> Iterator[str]:
    """A line for each field that is filled in or is ticked or not, from the page's top to its foot."""

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
    """The words printed right before a field, or after it; those over it when there are none."""
    low, high = (one.bottom + one.top) / 2 - _ROW / 2, (one.bottom + one.top) / 2 + _ROW / 2
    if after:
        found = textpage.get_text_bounded(one.right, low, one.right + _NEAR, high)
    else:
        found = textpage.get_text_bounded(one.left - _NEAR, low, one.left, high)
        if not found.strip():  # of a high field, at its head or foot
            found = textpage.get_text_bounded(one.left - _NEAR, one.bottom, one.left, one.top)
        if not found.strip():
            found = textpage.get_text_bounded(one.left, one.top, one.right, one.top + 2 * _ROW)
    words = " ".join(found.split())
    parts = [part for part in re.split(r"\s?[_\u2026]{2,}\s?|:\s", words.rstrip(": ")) if part]
    return (parts[0] if after else parts[-1])[:200] if parts else ""


def wide(ask: Callable[[Any, int], int]) -> str:
    """What a function of pdfium writes as UTF-16, asked for its length first."""
    size = ask(None, 0)
    if size <= 2:
        return ""
    if size > _LONGEST:
        return ""
    buffer = ctypes.create_string_buffer(size)
    if ask(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size) > size:
        return ""
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
