"""Reads columns that a page draws row by row in the right order, column after column.

Most pages draw their text in reading order and are left alone. Where consecutive pieces of text keep jumping
across one gutter, and both sides are running text, the page is read by the positions of its text. A table
without lines jumps as well, but its cells are short and rarely begin in the middle of a sentence.
"""

from __future__ import annotations

import ctypes
import math
import statistics
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf.rules import turned

_LEAST = 4  # lines on each side of a gutter
_GAP = 0.8  # of the type's height; no blank between words is so wide
_NARROW = 9.0  # points; no gutter is narrower
_SHORT = 40.0  # points; a shorter piece is a bullet or a number, not a line of a column
_CROSSING = 0.35  # of a page's pieces; if more of them cross a gutter, it is none
_JUMPS = 0.3  # least share of jumps among the pieces beside a gutter
_GOING_ON = 0.3  # least share of a column's lines that begin with a small letter
_LETTERS = 12  # in a column's line of median length
_AIR = 2.5  # times the usual line distance; a larger gap begins another part of the page
_HYPHENS = "-\u2010\u2011\u00ad\x02\ufffe"
_MOST_PIECES = 2_000  # on a page; more are the labels of a drawing, not columns


@dataclass(slots=True)
class Piece:
    """A stretch of text on one line: its place in the page's text, and its position on the page."""

    place: int
    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def middle(self) -> float:
        """The height of its middle on the page."""
        return (self.bottom + self.top) / 2


def jumping(textpage: pdfium.PdfTextPage, rotation: int) -> bool:
    """Whether the text often jumps to the right over a wide blank; fast, since every page is checked."""
    raw, get = textpage.raw, pdfium_c.FPDFText_GetRect
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    jumps = 0
    jumped = False
    begin = before = math.inf  # where the current run without a wide blank begins and ends
    sideways, mirrored = rotation in (90, 270), rotation in (90, 180)
    for i in range(pdfium_c.FPDFText_CountRects(raw, 0, -1)):
        get(raw, i, left, top, right, bottom)
        if sideways:
            start, end, high = bottom.value, top.value, right.value - left.value
        else:
            start, end, high = left.value, right.value, top.value - bottom.value
        if mirrored:
            start, end = -end, -start
        wide = start > before + max(_NARROW, _GAP * high)
        if wide or start < before - high:
            long = before - begin > _SHORT
            jumps += jumped and long
            jumped = wide and long
            begin = start
        before = end
    return jumps + (jumped and before - begin > _SHORT) >= _LEAST


def by_columns(textpage: pdfium.PdfTextPage, text: str, rotation: int) -> list[tuple[int, str]] | None:
    """Return the page's lines with their places, column after column; None to keep the page's own order."""
    pieces = _pieces(textpage, text, rotation)
    if len(pieces) > _MOST_PIECES or (parted := _parted(pieces)) is None:
        return None
    return list(_joined([line for part in parted for line in _rows(part)]))


def _pieces(textpage: pdfium.PdfTextPage, text: str, rotation: int) -> list[Piece]:
    found: list[Piece] = []
    raw, box = textpage.raw, pdfium_c.FS_RECTF()
    broken = True
    for place, letter in enumerate(text):
        if letter.isspace():
            broken = broken or letter in "\r\n"
            continue
        index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, place)
        if not pdfium_c.FPDFText_GetLooseCharBox(raw, index, box):
            continue  # a mark that pdfium inserted
        x1, y1 = turned(rotation, box.left, box.bottom)
        x2, y2 = turned(rotation, box.right, box.top)
        (left, right), (bottom, top) = sorted((x1, x2)), sorted((y1, y2))
        last = found[-1] if found else None
        if broken or last is None or not -1 < (left - last.right) / max(1.0, top - bottom) < _GAP:
            found.append(Piece(place, letter, left, right, bottom, top))
        else:
            last.text = text[last.place : place + 1]
            last.right = max(last.right, right)
            last.bottom, last.top = min(last.bottom, bottom), max(last.top, top)
        broken = False
    return found


def _parted(pieces: list[Piece]) -> list[list[Piece]] | None:
    """Return the parts of a page in reading order; None if it has no columns drawn row by row."""
    gutter = _gutter(pieces)
    if gutter is None:
        return None
    backwards = sum(map(_backwards, pieces)) > len(pieces) / 2
    parts: list[list[Piece]] = []
    for zone in _zones(pieces, gutter):
        sides = [[p for p in zone if p.right <= gutter], [p for p in zone if p.left >= gutter]]
        if len(zone) != len(sides[0]) + len(sides[1]):
            parts.append(zone)
            continue
        for side in reversed(sides) if backwards else sides:
            parts.extend(_parted(side) or [side])
    return parts


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """Return the x of the gutter with most lines of running text on its smaller side."""
    best: tuple[int, float] | None = None
    for x in sorted({round(piece.left) - 0.5 for piece in pieces}):
        left = [p for p in pieces if p.right <= x]
        right = [p for p in pieces if p.left >= x]
        thin = min(len(left), len(right))
        if thin < _LEAST or (best and thin <= best[0]):
            continue
        if len(pieces) - len(left) - len(right) > _CROSSING * len(pieces):
            continue
        if _prose(left) and _prose(right) and _side_by_side(left, right) and _jumps(left, right):
            best = thin, x
    return best[1] if best else None


def _prose(column: Sequence[Piece]) -> bool:
    long = statistics.median(len(piece.text) for piece in column) >= _LETTERS
    return long and sum(map(_goes_on, column)) >= _GOING_ON * len(column)


def _side_by_side(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    low = max(min(p.bottom for p in left), min(p.bottom for p in right))
    high = min(max(p.top for p in left), max(p.top for p in right))
    heights = [max(p.top for p in side) - min(p.bottom for p in side) for side in (left, right)]
    return high - low >= 0.5 * min(heights)


def _jumps(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    sides = sorted([(p.place, 0) for p in left] + [(p.place, 1) for p in right])
    return sum(a[1] != b[1] for a, b in pairwise(sides)) >= _JUMPS * len(sides)


def _zones(pieces: Sequence[Piece], gutter: float) -> Iterator[list[Piece]]:
    """Yield the parts of a page from top to bottom: lines over the whole width, or columns."""
    ordered = sorted(pieces, key=lambda piece: -piece.middle)
    steps = [a.middle - b.middle for a, b in pairwise(ordered) if a.middle - b.middle > 1]
    usual = statistics.median(steps) if steps else 0.0
    zone: list[Piece] = []
    wide = False
    for piece in ordered:
        crossing = piece.left < gutter < piece.right
        if zone and (crossing != wide or zone[-1].middle - piece.middle > _AIR * usual):
            yield zone
            zone = []
        zone.append(piece)
        wide = crossing
    if zone:
        yield zone


def _rows(part: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield a part's pieces line by line, each line in the order of the page's text."""
    row: list[Piece] = []
    for piece in sorted(part, key=lambda piece: -piece.middle):
        if row and row[0].middle - piece.middle > 0.5 * (row[0].top - row[0].bottom):
            yield sorted(row, key=lambda one: one.place)
            row = []
        row.append(piece)
    if row:
        yield sorted(row, key=lambda one: one.place)


def _joined(lines: Sequence[list[Piece]]) -> Iterator[tuple[int, str]]:
    """Yield place and text of each line; a line ending in a hyphen is joined to the next by pdfium's mark."""
    place, text = -1, ""
    for line in lines:
        here = " ".join(piece.text for piece in line)
        if place >= 0 and text[-1] in _HYPHENS and text[-2:-1].isalpha() and here[0].islower():
            text = f"{text[:-1]}\x02{here}"
            continue
        if place >= 0:
            yield place, text
        place, text = line[0].place, here
    if place >= 0:
        yield place, text


def _goes_on(piece: Piece) -> bool:
    """Whether a line may continue a sentence: its first letter is small, or of a script without case."""
    return piece.text[0].islower() or unicodedata.category(piece.text[0]) == "Lo"


def _backwards(piece: Piece) -> bool:
    return unicodedata.bidirectional(piece.text[0]) in {"R", "AL"}
