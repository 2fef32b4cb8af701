"""Pages whose text is in pictures: which part of a page is read by OCR, and the outcome."""

from __future__ import annotations

import ctypes
import hashlib
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract import ocr
from rag_core.extract.blocks import Note
from rag_core.extract.pdf.line import Line
from rag_core.extract.pdf.placement import Box, Picture, height, merged, pictures, uncovered
from rag_core.extract.pictures import (
    LEAST_PIXELS,
    MOST_PIXELS,
    VERY_MANY,
    WITHOUT_TEXT,
    Outcomes,
    Recognition,
    too_large,
)

_FEW_LETTERS = 20
_STAMP_LETTERS = 250  # letters that a library or a shop stamps on each scanned page
_OUTLINES = 30
_LEAST_SHARE = 0.04  # of the page; a smaller picture is a logo or an icon
_MOST_ON_A_PAGE = 8


class Pictures:
    """Reads text in a page's pictures if OCR is available, and records what was not read."""

    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition
        self._outcomes = Outcomes()
        self.seen = 0
        self._met: set[bytes] = set()

    def lines(
        self,
        page: pdfium.PdfPage,
        textpage: pdfium.PdfTextPage,
        drawn: Mapping[int, Sequence[Any]],
        own: list[Line],
        legible: tuple[int, int],
        number: int,
    ) -> list[Line]:
        """Return the page's own lines, those of its picture if its own are unusable, or both in order."""
        images, forms = drawn.get(pdfium_c.FPDF_PAGEOBJ_IMAGE, ()), drawn.get(pdfium_c.FPDF_PAGEOBJ_FORM, ())
        good, bad = legible
        if not images and not forms and bad <= good and good >= _FEW_LETTERS:
            return own
        width, height = page.get_size()
        whole = max(1.0, width * height)
        found = list(pictures(page, images, forms))
        huge = next((p for p in found if p.pixels[0] * p.pixels[1] > MOST_PIXELS), None)
        share = sum(picture.box.area for picture in found) / whole
        outlines = len(drawn.get(pdfium_c.FPDF_PAGEOBJ_PATH, ())) + len(forms)
        useless = bad > good or (good < _FEW_LETTERS and (share > 0.05 or outlines > _OUTLINES))
        if useless or (good < _STAMP_LETTERS and share > 0.8):
            self.seen += 1
            if huge:
                self._too_large(huge, number)
                return own
            until = time.monotonic() + self._recognition.page_seconds
            seen = self._seen(page, number, until)
            return seen if seen and (bad > good or legibility(seen)[0] > good) else own
        parts = [
            part
            for picture in merged(found)
            if picture.box.area >= _LEAST_SHARE * whole
            and picture.pixels[0] >= LEAST_PIXELS[0]
            and picture.pixels[1] >= LEAST_PIXELS[1]
            and self._new(picture)
            for part in uncovered(page, textpage, picture.box)
            if part.area >= _LEAST_SHARE * whole
        ]
        if parts and huge:
            self.seen += 1
            self._too_large(huge, number)
            return own
        return self._beside(page, textpage, own, parts, number) if parts else own

    @property
    def missing(self) -> str:
        """Why no picture is read; empty if they are."""
        return self._recognition.missing

    @property
    def too_much(self) -> str:
        """Why a picture that probably shows text was not read; empty if there is none."""
        return "" if self.missing else self._outcomes.first(but=WITHOUT_TEXT)

    def notes(self) -> Iterator[Note]:
        """Yield what was read from pictures, and what was not and why."""
        yield from self._outcomes.notes()

    def _beside(
        self,
        page: pdfium.PdfPage,
        textpage: pdfium.PdfTextPage,
        own: list[Line],
        parts: list[Box],
        number: int,
    ) -> list[Line]:
        """Return the page's lines, with those in its pictures inserted at their places."""
        self.seen += 1
        heights = [height(page, textpage, line) for line in own]
        until = time.monotonic() + self._recognition.page_seconds
        placed: dict[int, list[Line]] = defaultdict(list)
        for count, part in enumerate(sorted(parts, key=lambda box: -box.top)):
            if count >= _MOST_ON_A_PAGE or not self._recognition.one_more():
                self._outcomes.unread(VERY_MANY, number)
                continue
            below = (i for i, y in enumerate(heights) if y is not None and y < (part.bottom + part.top) / 2)
            since = time.monotonic()
            placed[next(below, len(own))].extend(self._seen(page, number, until, part))
            self._recognition.spent(since)
        lines: list[Line] = []
        for i in range(len(own) + 1):
            lines += placed.get(i, [])
            lines += own[i : i + 1]
        return lines

    def _seen(self, page: pdfium.PdfPage, number: int, until: float, part: Box | None = None) -> list[Line]:
        """Recognise the lines in the rendered page, or in a part of it."""
        reader = self._recognition.reader
        if reader is None:
            self._outcomes.unread(self._recognition.off, number)
            return []
        width, height = page.get_size()
        crop = (part.left, part.bottom, width - part.right, height - part.top) if part else (0.0,) * 4
        try:
            found = ocr.lines(page, reader, until - time.monotonic(), crop)
        except ocr.Unavailable as error:
            self._outcomes.unread(self._recognition.fails(error), number)
            return []
        except ocr.Unread as error:
            self._outcomes.unread(str(error), number)
            return []
        if found:
            self._outcomes.read += 1
        else:
            self._outcomes.unread(WITHOUT_TEXT, number)
        return [Line(text) for text in found]

    def _too_large(self, picture: Picture, number: int) -> None:
        self._outcomes.unread(too_large(*picture.pixels), number)

    def _new(self, picture: Picture) -> bool:
        """Whether a picture is new; one repeated on page after page belongs to a letterhead."""
        data = hashlib.sha256()
        for image in picture.images:
            size = pdfium_c.FPDFImageObj_GetImageDataRaw(image, None, 0)
            buffer = ctypes.create_string_buffer(max(1, size))
            pdfium_c.FPDFImageObj_GetImageDataRaw(image, buffer, size)
            data.update(buffer)
        mark = data.digest()
        if mark in self._met:
            return False
        self._met.add(mark)
        return True


def legibility(lines: Iterable[Line]) -> tuple[int, int]:
    """Return how many characters are readable, and how many are not because of their font."""
    good = bad = 0
    for c, times in Counter("".join(line.text for line in lines)).items():
        if c == "\ufffd" or unicodedata.category(c) in {"Co", "Cn", "Cc"}:
            bad += times
        elif not c.isspace():
            good += times
    return good, bad
