"""One page's lines: its own text, or what is read from its picture when that is no use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import closing

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract import ocr
from rag_core.extract.blocks import Ocr
from rag_core.extract.pdf import tables, typeface
from rag_core.extract.pdf.line import Line, places, whole
from rag_core.extract.pdf.scale import Scale

# A line of a table of contents or an index: dots, then page numbers.
_LEADER = re.compile(r"(?<!\.)(?<!\.\s)(?:(?:\.\s?){4,}|(?:\.\s){2,})\s*[\divxlc]+(?:\s*,\s*\d+)*\s*$")


class Pictures:
    """Reads pages from their picture until it is found that nothing here can."""

    def __init__(self, reader: Ocr | None) -> None:
        self._reader = reader
        self.missing = "" if reader else "reading pictures of text is switched off"
        self.seen = 0

    def lines(self, page: pdfium.PdfPage, own: list[Line]) -> list[Line]:
        """The page's own lines, or those in its picture when these are no use."""
        good, bad = legibility(own)
        if not ocr.wanted(page, good, bad):
            return own
        self.seen += 1
        if self._reader is None:
            return own
        try:
            found = [Line(text) for text in ocr.lines(page, self._reader)]
        except ocr.Unavailable as error:
            self._reader, self.missing = None, str(error)
            return own
        return found if bad > good or legibility(found)[0] > good else own


def page_lines(
    document: pdfium.PdfDocument, index: int, pictures: Pictures, scale: Scale | None
) -> list[Line]:
    """The lines of a page, counted from 0; with a scale, how each is set."""
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return []  # one broken page; the others are still worth having
    with closing(page):
        with closing(page.get_textpage()) as textpage:
            own = _own(page, textpage, scale)
        return [line for line in pictures.lines(page, own) if line.rows or not _LEADER.search(line.text)]


def legibility(lines: Iterable[Line]) -> tuple[int, int]:
    """How many characters can be read, and how many a font hides."""
    good = bad = 0
    for line in lines:
        for c in line.text:
            if c == "\ufffd" or unicodedata.category(c) in {"Co", "Cn", "Cc"}:
                bad += 1
            elif not c.isspace():
                good += 1
    return good, bad


def _own(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, scale: Scale | None) -> list[Line]:
    found, rest = tables.found(page, textpage, textpage.get_text_range())
    for place, raw in places(rest):
        line = Line(whole(raw))
        if scale is not None:
            index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, place)
            line.face = scale.face(textpage, index, raw)
            line.y = typeface.height(textpage, index)
        found.append((place, line))
    return [line for _, line in sorted(found, key=lambda one: one[0])]
