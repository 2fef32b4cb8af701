"""Reads one page: its lines in reading order, from its text or its pictures, and what is beside them."""

from __future__ import annotations

import math
import re
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf import order, tables, typeface
from rag_core.extract.pdf.line import Line, compounds, marked, places, whole
from rag_core.extract.pdf.notes import Beside, beside
from rag_core.extract.pdf.pictures import Pictures, legibility
from rag_core.extract.pdf.placement import share
from rag_core.extract.pdf.rules import objects
from rag_core.extract.pdf.scale import Scale

_RIM = 3  # lines at the top and at the bottom of a page that may hold a page number
_RIM_NUMBER = re.compile(r"^(\d{1,5})\s|\s(\d{1,5})$")
_SAMPLED = 40  # letters on a page; with fewer its rotation is not checked
_WIDE = 1.5  # times the height of a digit; wider than a blank between words
_LEADER = re.compile(
    r"[ \u00a0]?(?:\.[ \u00a0]?){5,}|(?: \.){2,} (?=(?:\d{1,5}|[ivxlc]{1,7})$)|[ \u00a0]?\u2026{2,}[ \u00a0]?"
)


@dataclass(slots=True)
class Page:
    """The result of reading a page."""

    lines: list[Line] = field(default_factory=list)
    beside: Beside = field(default_factory=Beside)
    legible: tuple[int, int] = (0, 0)  # readable characters, unreadable ones
    broken: bool = False


class Reader:
    """Reads the pages of a document one by one, and collects its words with a hyphen on the way."""

    def __init__(self, document: pdfium.PdfDocument, pictures: Pictures, scale: Scale | None) -> None:
        self._document = document
        self._pictures = pictures
        self._scale = scale
        self._compounds: set[str] = set()
        self._form: Any = document.formenv.raw if document.formenv else None

    def page(self, index: int) -> Page:
        """Read the page with this index, from 0; with a scale, its lines have their type."""
        try:
            page = self._document[index]
        except pdfium.PdfiumError:
            return Page(broken=True)  # the other pages are still useful
        with closing(page), closing(_upright(page)) as textpage:
            drawn = objects(page)
            own = self._own(page, textpage, drawn)
            legible = legibility(own)
            lines = self._pictures.lines(page, textpage, drawn, own, legible, index + 1)
            if lines is not own:
                legible = legibility(lines)
            return Page(lines, beside(page, textpage, self._form), legible)

    def _own(
        self, page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, drawn: dict[int, list[Any]]
    ) -> list[Line]:
        text = textpage.get_text_range()
        found, rest = tables.found(page, textpage, text, drawn)
        self._compounds |= compounds(text)
        rotation = page.get_rotation()
        lines = None
        if not found and order.jumping(textpage, rotation):
            lines = order.by_columns(textpage, rest, rotation)
        for place, raw in places(marked(rest)) if lines is None else lines:
            line = Line(_led(whole(raw, self._compounds)))
            if self._scale is not None:
                index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, place)
                line.face = self._scale.face(textpage, index, raw)
                line.y = typeface.height(textpage, index)
            found.append((place, line))
        if lines is None:
            found.sort(key=lambda one: one[0])
        for place, line in found:
            line.place = place
        own = [line for _, line in found]
        numbers = range(len(own))
        for i in {*numbers[:_RIM], *numbers[-_RIM:]}:
            own[i].apart = _apart(own[i], textpage)
            own[i].share = share(page, textpage, own[i])
        return own


def _upright(page: pdfium.PdfPage) -> pdfium.PdfTextPage:
    """Turn the page so that its text is upright (pdfium reads lines from the left); return the text."""
    textpage = page.get_textpage()
    count = textpage.count_chars()
    sample = {count // 4, count // 2, 3 * count // 4} if count >= _SAMPLED else ()
    angles = {-round(math.degrees(pdfium_c.FPDFText_GetCharAngle(textpage.raw, i))) % 360 for i in sample}
    if len(angles) != 1 or (angle := angles.pop()) not in (90, 180, 270) or angle == page.get_rotation():
        return textpage
    textpage.close()
    page.set_rotation(angle)
    return page.get_textpage()


def _led(text: str) -> str:
    """Shorten the dots that lead to a line's number, up to a hundred, to three."""
    if ". ." not in text and "...." not in text and "\u2026" not in text:
        return text
    return _LEADER.sub(" ... ", text).strip()


def _apart(line: Line, textpage: pdfium.PdfTextPage) -> tuple[str, ...]:
    """Return the numbers at a line's ends that wide blanks separate from its words."""
    if line.rows:
        return ()
    return tuple(
        match[1] or match[2]
        for match in _RIM_NUMBER.finditer(line.text)
        if _gap(textpage, line.place + match.start(), line.place + match.end() - 1)
    )


def _gap(textpage: pdfium.PdfTextPage, first: int, last: int) -> bool:
    """Whether a wide blank is between two places in the text: a number and the word beside it."""
    raw, box = textpage.raw, pdfium_c.FS_RECTF()
    spans: list[tuple[float, float, float]] = []
    for place in range(max(0, first - 1), last + 2):
        index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, place)
        visible = pdfium_c.FPDFText_GetUnicode(raw, index) > ord(" ")
        if visible and pdfium_c.FPDFText_GetLooseCharBox(raw, index, box):
            spans.append((box.left, box.right, box.top - box.bottom))
    return any(b[0] - a[1] > _WIDE * a[2] for a, b in pairwise(spans))
