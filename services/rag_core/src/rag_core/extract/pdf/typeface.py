"""The type of letters, read from pdfium letter by letter; a few letters of a line suffice."""

from __future__ import annotations

import ctypes
import math
import re

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf.line import Face

_NAME_BYTES = 128
_FORCED_BOLD = 1 << 18  # a flag of the font's descriptor
_BOLD_WEIGHT = 650
# Many fonts reveal their weight only in their name: Arial-BoldMT, CMBX12, SFBX1095.
_BOLD_NAME = re.compile(r"bold|black|heavy|demi|(?:^|\+)(?:cm|sf|ec|lm)b|-bd", re.I)


def face(textpage: pdfium.PdfTextPage, index: int) -> Face:
    """Return the type of the character at pdfium's `index`; size 0 if it is not upright, as in a stamp."""
    raw = textpage.raw
    matrix = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFText_GetMatrix(raw, index, matrix) or abs(matrix.c) > abs(matrix.d):
        return Face(0.0, False)
    size = pdfium_c.FPDFText_GetFontSize(raw, index) * math.hypot(matrix.c, matrix.d)
    return Face(round(size, 1), _bold(raw, index))


def height(textpage: pdfium.PdfTextPage, index: int) -> float:
    """Return the base line of the character at pdfium's `index`, in points above the bottom of the page."""
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(textpage.raw, index, x, y)
    return y.value


def _bold(raw: object, index: int) -> bool:
    name = ctypes.create_string_buffer(_NAME_BYTES)
    flags = ctypes.c_int()
    pdfium_c.FPDFText_GetFontInfo(raw, index, name, _NAME_BYTES, flags)
    return bool(
        flags.value & _FORCED_BOLD
        or pdfium_c.FPDFText_GetFontWeight(raw, index) >= _BOLD_WEIGHT
        or _BOLD_NAME.search(name.value.decode("utf-8", "replace"))
    )
