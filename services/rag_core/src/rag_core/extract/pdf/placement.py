"""Where pictures are on a page as shown, and which of their parts no text covers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf.line import Line

_LEAST_STRIP = 0.15  # of the page's height, between lines of text over a picture
_MOST_OBJECTS = 20_000
_DEPTH = 3
_TOUCHING = 3.0  # points
_FINE = 10_000


class Box(NamedTuple):
    """A part of a page in points, as it is shown: x to the right and y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        """Its size in square points."""
        return max(0.0, self.right - self.left) * max(0.0, self.top - self.bottom)


class Picture(NamedTuple):
    """A picture placed on a page, and how many dots it has."""

    box: Box
    pixels: tuple[int, int]
    images: tuple[Any, ...]  # pdfium's objects; a scan is often divided into strips


def pictures(page: pdfium.PdfPage, images: Sequence[Any], forms: Sequence[Any]) -> Iterator[Picture]:
    """Yield the pictures on a page itself, and in the form objects on it."""
    left_over = [_MOST_OBJECTS]
    for image in images[:_MOST_OBJECTS]:
        yield from _picture(page, image, [])
    for form in forms[:_MOST_OBJECTS]:
        yield from _in_form(page, form, [], left_over)


def merged(found: Sequence[Picture]) -> list[Picture]:
    """Return the pictures, with adjacent strips of the same width merged."""
    made: list[Picture] = []
    for one in sorted(found, key=lambda p: (round(p.box.left), round(p.box.right), -p.box.top)):
        last = made[-1] if made else None
        same = (
            last and max(abs(last.box.left - one.box.left), abs(last.box.right - one.box.right)) < _TOUCHING
        )
        if last and same and abs(last.box.bottom - one.box.top) < _TOUCHING:
            box = Box(last.box.left, one.box.bottom, last.box.right, last.box.top)
            pixels = (last.pixels[0], last.pixels[1] + one.pixels[1])
            made[-1] = Picture(box, pixels, last.images + one.images)
        else:
            made.append(one)
    return made


def _in_form(page: pdfium.PdfPage, form: Any, matrices: list[Any], left_over: list[int]) -> Iterator[Picture]:
    matrix = pdfium_c.FS_MATRIX()
    if len(matrices) >= _DEPTH or not pdfium_c.FPDFPageObj_GetMatrix(form, matrix):
        return
    inner = [matrix, *matrices]
    for i in range(pdfium_c.FPDFFormObj_CountObjects(form)):
        left_over[0] -= 1
        if left_over[0] < 0:
            return
        one = pdfium_c.FPDFFormObj_GetObject(form, i)
        kind = pdfium_c.FPDFPageObj_GetType(one)
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            yield from _picture(page, one, inner)
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            yield from _in_form(page, one, inner, left_over)


def _picture(page: pdfium.PdfPage, image: Any, matrices: Sequence[Any]) -> Iterator[Picture]:
    """Yield the picture, unless it is entirely off the page."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium_c.FPDFPageObj_GetBounds(image, left, bottom, right, top):
        return
    corners = [(left.value, bottom.value), (right.value, top.value)]
    for m in matrices:
        corners = [(m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f) for x, y in corners]
    box = _shown(page, [x for x, _ in corners], [y for _, y in corners])
    width, height = ctypes.c_uint(), ctypes.c_uint()
    pdfium_c.FPDFImageObj_GetImagePixelSize(image, width, height)
    if box.area > 0:
        yield Picture(box, (width.value, height.value), (image,))


def _shown(page: pdfium.PdfPage, xs: Sequence[float], ys: Sequence[float]) -> Box:
    """Return a part of the page as shown, clipped at the page's edges."""
    width, height = page.get_size()
    fine = 16 if max(width, height) < 100_000 else 1  # pdfium returns whole numbers
    x, y = ctypes.c_int(), ctypes.c_int()
    points = []
    for one, other in ((min(xs), min(ys)), (max(xs), max(ys))):
        pdfium_c.FPDF_PageToDevice(
            page.raw, 0, 0, round(width * fine), round(height * fine), 0, one, other, x, y
        )
        points.append((x.value / fine, height - y.value / fine))
    (x1, y1), (x2, y2) = points
    return Box(
        max(0.0, min(x1, x2)), max(0.0, min(y1, y2)), min(width, max(x1, x2)), min(height, max(y1, y2))
    )


def uncovered(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, box: Box) -> Iterator[Box]:
    """Yield the strips of a picture, from top to bottom, that no line of text covers."""
    least = _LEAST_STRIP * page.get_size()[1]
    covered = sorted(
        ((line.bottom, line.top) for line in _texts(page, textpage) if _meet(line, box)), reverse=True
    )
    if not covered:
        yield box
        return
    top = box.top
    for low, high in [*covered, (box.bottom, box.bottom)]:
        if top - high >= least:
            yield Box(box.left, high, box.right, top)
        top = min(top, low)


def _texts(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage) -> Iterator[Box]:
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    for i in range(pdfium_c.FPDFText_CountRects(textpage.raw, 0, -1)):
        pdfium_c.FPDFText_GetRect(textpage.raw, i, left, top, right, bottom)
        yield _shown(page, (left.value, right.value), (bottom.value, top.value))


def _meet(one: Box, other: Box) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.bottom < other.top
        and other.bottom < one.top
    )


def share(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, line: Line) -> float:
    """Return the height of a line of the page's own text on the page as shown, from 0 to 1."""
    index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, line.place)
    left, base = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(textpage.raw, index, left, base)
    x, y = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page.raw, 0, 0, _FINE, _FINE, 0, left.value, base.value, x, y)
    return 1 - y.value / _FINE


def height(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, line: Line) -> float | None:
    """Return the height of a line of the page's own text, in points of the page as shown."""
    if line.place < 0:
        return None
    index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, line.place)
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(textpage.raw, index, x, y)
    return _shown(page, (x.value,), (y.value,)).bottom
