"""The sizes of type in a document: that of running text, and those of headings.

A document without outline is sampled before it is read: a few dozen pages from beginning to end show the
sizes of its running text and of its headings, so that each heading's level is known from the first page on.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.blocks import Pulse
from rag_core.extract.pdf import typeface
from rag_core.extract.pdf.line import WORD, Face, places

_SAMPLE = 24  # pages, up to twice as many
_LARGER = 1.06  # 10.6 points against 10: a smaller difference is the same size set by another program
_SAME = 1.03
MAX_LEVEL = 6
_LONGEST = 200  # characters; no heading is longer
_MOST = 0.85  # of a line's letters; a footnote mark or a formula in a heading has another type
_COVER = 3  # a cover has this many times less text than a usual page


@dataclass(frozen=True, slots=True)
class Scale:
    """The type of running text, and the sizes of headings in points, the largest first.

    A cover's sizes do not count: a title set once in 24 points must not put all chapters one level down.
    """

    body: Face
    sizes: tuple[float, ...] = ()
    cover: bool = False  # whether the first page is one

    def also(self, sizes: Iterable[float]) -> Scale:
        """Return the scale with more sizes of headings; those not larger than running text are ignored."""
        known: list[float] = []
        for size in sorted({*self.sizes, *sizes}, reverse=True):
            if self.larger(Face(size, False)) and (not known or known[-1] > _SAME * size):
                known.append(size)
        return replace(self, sizes=tuple(known))

    def larger(self, face: Face) -> bool:
        """Whether letters are visibly larger than running text; False if the sample has no text."""
        return 0 < _LARGER * self.body.size <= face.size

    def stands_out(self, face: Face) -> bool:
        """Whether the type may be a heading's: larger, or bold where running text is not."""
        return self.larger(face) or (face.bold and not self.body.bold and face.size * _SAME >= self.body.size)

    def level(self, face: Face) -> int:
        """Return a heading's depth from 1; headings no larger than running text are below all others."""
        if not self.larger(face):
            return min(len(self.sizes) + 1, MAX_LEVEL)
        return min(sum(size > _SAME * face.size for size in self.sizes) + 1, MAX_LEVEL)

    def face(self, textpage: pdfium.PdfTextPage, index: int, raw: str) -> Face:
        """Return the type of the line beginning at pdfium's `index`; that of running text if it is mixed."""
        first = typeface.face(textpage, index)
        if not self.stands_out(first) or len(raw) > _LONGEST:
            return first if len(raw) <= _LONGEST else self.body
        same = self.larger if self.larger(first) else self.stands_out
        letters = [index + i for i, c in enumerate(raw) if not c.isspace()]
        out = sum(same(typeface.face(textpage, one)) for one in letters)
        return first if out >= _MOST * len(letters) else self.body


def sampled(document: pdfium.PdfDocument) -> Generator[Pulse, None, Scale]:
    """Sample the pages, with a Pulse for each; returns the document's scale."""
    pages = len(document)
    seen: dict[int, Counter[tuple[Face, Face]]] = {}
    for index in range(0, pages, max(1, pages // _SAMPLE)):
        seen[index] = _ends(document, index)
        yield Pulse(0)
    total: Counter[Face] = Counter()
    for one in seen.values():
        for (first, last), characters in one.items():
            total[first] += characters if first == last else 0
    body = max(total, key=lambda face: total[face], default=Face(0.0, False))
    usual = statistics.median(one.total() for one in seen.values())
    scale = Scale(body, cover=_COVER * seen[0].total() < usual)
    return scale.also(
        first.size
        for index, one in seen.items()
        for first, last in one
        if scale.larger(last) and not (scale.cover and index == 0)
    )


def _ends(document: pdfium.PdfDocument, index: int) -> Counter[tuple[Face, Face]]:
    """Count the characters of a page by the types that their line begins and ends with."""
    found: Counter[tuple[Face, Face]] = Counter()
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return found
    with closing(page), closing(page.get_textpage()) as textpage:
        for place, raw in places(textpage.get_text_range()):
            start = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, place)
            first = typeface.face(textpage, start)
            if first.size and WORD.search(raw):
                found[first, typeface.face(textpage, start + len(raw) - 1)] += len(raw)
    return found
