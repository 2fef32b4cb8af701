"""The straight lines drawn on a page: strokes along its axes, and rectangles thin enough to be lines.

Coordinates are points of the page as shown (after its /Rotate), x to the right and y upwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

# A page with more is a map or a drawing, and is not searched.
_MAX_OBJECTS = 20_000
_MAX_SEGMENTS = 20_000
_LEAST_PATHS = 3
_THIN = 3.0
_SHORT = 4.0

Point = tuple[float, float]


class Rule(NamedTuple):
    """A line along an axis: its y (x if vertical), and the x (y) where it starts and ends."""

    at: float
    start: float
    end: float


class Rules(NamedTuple):
    """The lines of a page."""

    across: list[Rule]
    down: list[Rule]


def turned(rotation: int, x: float, y: float) -> Point:
    """Return where a point is after its page is rotated clockwise by 0, 90, 180 or 270 degrees."""
    match rotation:
        case 90:
            return y, -x
        case 180:
            return -x, -y
        case 270:
            return -y, x
        case _:
            return x, y


def objects(page: pdfium.PdfPage) -> dict[int, list[Any]]:
    """Return the objects drawn on the page by pdfium's types, without those in form objects."""
    raw = page.raw
    found: dict[int, list[Any]] = {}
    for i in range(pdfium_c.FPDFPage_CountObjects(raw)):
        one = pdfium_c.FPDFPage_GetObject(raw, i)
        found.setdefault(pdfium_c.FPDFPageObj_GetType(one), []).append(one)
    return found


def rules(page: pdfium.PdfPage, drawn: Mapping[int, Sequence[Any]]) -> Rules:
    """Return the lines drawn on the page itself, without those in form objects."""
    found = Rules([], [])
    if sum(map(len, drawn.values())) > _MAX_OBJECTS:
        return found
    paths = drawn.get(pdfium_c.FPDF_PAGEOBJ_PATH, [])
    segments = sum(map(_segments, paths))
    if (len(paths) < _LEAST_PATHS and segments < 2 * _LEAST_PATHS) or segments > _MAX_SEGMENTS:
        return found
    rotation = page.get_rotation()
    for path in paths:
        filled, stroked = ctypes.c_int(), ctypes.c_int()
        pdfium_c.FPDFPath_GetDrawMode(path, filled, stroked)
        for outline in _outlines(path, rotation):
            if stroked.value:
                for start, end in pairwise(outline):
                    _add(found, start, end)
            elif filled.value:
                xs, ys = zip(*outline, strict=True)
                if min(max(xs) - min(xs), max(ys) - min(ys)) <= _THIN:
                    _add(found, (min(xs), min(ys)), (max(xs), max(ys)))
    return found


def _segments(path: Any) -> int:
    return max(0, int(pdfium_c.FPDFPath_CountSegments(path)))


def _add(found: Rules, start: Point, end: Point) -> None:
    (x1, x2), (y1, y2) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    if y2 - y1 <= _THIN and x2 - x1 >= _SHORT:
        found.across.append(Rule((y1 + y2) / 2, x1, x2))
    elif x2 - x1 <= _THIN and y2 - y1 >= _SHORT:
        found.down.append(Rule((x1 + x2) / 2, y1, y2))


def _outlines(path: Any, rotation: int) -> Iterator[list[Point]]:
    """Yield the corners of each part of a path; a curve counts as its end, so round corners do no harm."""
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(path, matrix)
    corners: list[Point] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for i in range(_segments(path)):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, i)
        pdfium_c.FPDFPathSegment_GetPoint(segment, x, y)
        point = turned(
            rotation,
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        if pdfium_c.FPDFPathSegment_GetType(segment) == pdfium_c.FPDF_SEGMENT_MOVETO and corners:
            yield corners
            corners = []
        corners.append(point)
        if pdfium_c.FPDFPathSegment_GetClose(segment):
            corners.append(corners[0])
    if corners:
        yield corners
