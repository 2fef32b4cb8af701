"""Pages whose text is in pictures: which part of a page is read from how it looks, and what became of it."""

from __future__ import annotations

import ctypes
import hashlib
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract import ocr
from rag_core.extract.blocks import Note, Ocr, Part
from rag_core.extract.pdf.line import Line

_FEW_LETTERS = 20
_STAMP_LETTERS = 250  # what a library or a shop stamps on each scanned page
_OUTLINES = 30
_LEAST_SHARE = 0.04  # of the page; a smaller picture is a logo or a sign
_LEAST_PIXELS = (150, 40)
_LEAST_STRIP = 0.15  # of the page's height, between lines of text over a picture
_MOST_PIXELS = 400_000_000
_MOST_OBJECTS = 20_000
_MOST_ON_A_PAGE = 8
_MOST_IN_ALL = 300  # on pages with text; it takes Tesseract a second or more for each
_DEPTH = 3
_TOUCHING = 3.0  # points
_EMPTY = "without text"


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
    images: tuple[Any, ...]  # pdfium's; a scan is often cut into strips


class Pictures:
    """Reads what pages show in pictures, unless nothing here can, and notes what was not read."""

    def __init__(self, reader: Ocr | None) -> None:
        self._reader = reader
        self.missing = "" if reader else "reading pictures of text is switched off"
        self.seen = 0
        self._read = self._tried = 0
        self._met: set[bytes] = set()
        self._unread: dict[str, list[int]] = defaultdict(list)

    def lines(
        self,
        page: pdfium.PdfPage,
        textpage: pdfium.PdfTextPage,
        drawn: Mapping[int, Sequence[Any]],
        own: list[Line],
        number: int,
    ) -> list[Line]:
        """The page's own lines, those in its picture when these are no use, or both in their order."""
        images, forms = drawn.get(pdfium_c.FPDF_PAGEOBJ_IMAGE, ()), drawn.get(pdfium_c.FPDF_PAGEOBJ_FORM, ())
        good, bad = legibility(own)
        if not images and not forms and bad <= good and good >= _FEW_LETTERS:
            return own
        width, height = page.get_size()
        whole = max(1.0, width * height)
        found = list(_pictures(page, images, forms))
        huge = next((p for p in found if p.pixels[0] * p.pixels[1] > _MOST_PIXELS), None)
        share = sum(picture.box.area for picture in found) / whole
        outlines = len(drawn.get(pdfium_c.FPDF_PAGEOBJ_PATH, ())) + len(forms)
        useless = bad > good or (good < _FEW_LETTERS and (share > 0.05 or outlines > _OUTLINES))
        if useless or (good < _STAMP_LETTERS and share > 0.8):
            self.seen += 1
            if huge:
                self._too_large(huge, number)
                return own
            until = time.monotonic() + (self._reader.page_seconds if self._reader else 0)
            seen = self._seen(page, number, until)
            return seen if seen and (bad > good or legibility(seen)[0] > good) else own
        parts = [
            part
            for picture in _merged(found)
            if picture.box.area >= _LEAST_SHARE * whole
            and picture.pixels[0] >= _LEAST_PIXELS[0]
            and picture.pixels[1] >= _LEAST_PIXELS[1]
            and self._new(picture)
            for part in _uncovered(page, textpage, picture.box)
            if part.area >= _LEAST_SHARE * whole
        ]
        if parts and huge:
            self.seen += 1
            self._too_large(huge, number)
            return own
        return self._beside(page, textpage, own, parts, number) if parts else own

    @property
    def too_much(self) -> str:
        """Why a picture was not read that may well show text; empty when there is none."""
        for why, numbers in self._unread.items():
            if why != _EMPTY and not self.missing:
                return f"page {numbers[0]}: a picture {why}"
        return ""

    def notes(self) -> Iterator[Note]:
        """What was read from pictures, and what was not and why."""
        if self._read:
            yield Note(Part.PICTURE, self._read)
        for why, numbers in self._unread.items():
            count = len(numbers)
            where = (
                f"page {numbers[0]}" if numbers[0] == numbers[-1] else f"pages {numbers[0]} to {numbers[-1]}"
            )
            what = f"a picture {why}" if count == 1 else f"{count:,} pictures, each of which {why}"
            if why == _EMPTY:
                what = f"a picture {why}" if count == 1 else f"{count:,} pictures {why}"
            yield Note(Part.PICTURE, count, read=False, message=f"{where}: {what}")

    def _beside(
        self,
        page: pdfium.PdfPage,
        textpage: pdfium.PdfTextPage,
        own: list[Line],
        parts: list[Box],
        number: int,
    ) -> list[Line]:
        """The page's lines, and among them those in its pictures, each where it stands."""
        self.seen += 1
        heights = [height(page, textpage, line) for line in own]
        until = time.monotonic() + (self._reader.page_seconds if self._reader else 0)
        placed: dict[int, list[Line]] = defaultdict(list)
        for count, part in enumerate(sorted(parts, key=lambda box: -box.top)):
            if count >= _MOST_ON_A_PAGE or self._tried >= _MOST_IN_ALL:
                self._unread["was not read, being one of very many"].append(number)
                continue
            self._tried += 1
            below = (i for i, y in enumerate(heights) if y is not None and y < (part.bottom + part.top) / 2)
            placed[next(below, len(own))].extend(self._seen(page, number, until, part))
        lines: list[Line] = []
        for i in range(len(own) + 1):
            lines += placed.get(i, [])
            lines += own[i : i + 1]
        return lines

    def _seen(self, page: pdfium.PdfPage, number: int, until: float, part: Box | None = None) -> list[Line]:
        """The lines in the picture of a page, or of a part of it."""
        if self._reader is None:
            self._unread[f"was not read: {self.missing}"].append(number)
            return []
        width, height = page.get_size()
        crop = (part.left, part.bottom, width - part.right, height - part.top) if part else (0.0,) * 4
        try:
            found = ocr.lines(page, self._reader, until - time.monotonic(), crop)
        except ocr.Unavailable as error:
            self._reader, self.missing = None, str(error)
            return self._seen(page, number, until, part)
        except ocr.Unread as error:
            self._unread[str(error)].append(number)
            return []
        if found:
            self._read += 1
        else:
            self._unread[_EMPTY].append(number)
        return [Line(text) for text in found]

    def _too_large(self, picture: Picture, number: int) -> None:
        width, height = picture.pixels
        self._unread[f"of {width:,} by {height:,} dots is too large to be read"].append(number)

    def _new(self, picture: Picture) -> bool:
        """Whether a picture is met for the first time; what is on page after page is a letterhead's."""
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
    """How many characters can be read, and how many a font hides."""
    good = bad = 0
    for c, times in Counter("".join(line.text for line in lines)).items():
        if c == "\ufffd" or unicodedata.category(c) in {"Co", "Cn", "Cc"}:
            bad += times
        elif not c.isspace():
            good += times
    return good, bad


def _pictures(page: pdfium.PdfPage, images: Sequence[Any], forms: Sequence[Any]) -> Iterator[Picture]:
    left_over = [_MOST_OBJECTS]
    for image in images[:_MOST_OBJECTS]:
        yield from _picture(page, image, [])
    for form in forms[:_MOST_OBJECTS]:
        yield from _in_form(page, form, [], left_over)


def _merged(found: Sequence[Picture]) -> list[Picture]:
    """The pictures, strips of the same width that touch each other put together."""
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
    """The picture, unless nothing of it lies on the page."""
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
    """A part of the page where it is shown, cut at the page's edges."""
    width, height = page.get_size()
    fine = 16 if max(width, height) < 100_000 else 1  # pdfium gives whole numbers
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


def _uncovered(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, box: Box) -> Iterator[Box]:
    """The strips of a picture, from its top to its foot, over which no line of text stands."""
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


def height(page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, line: Line) -> float | None:
    """Where a line of the page's own text stands, as the page is shown."""
    if line.place < 0:
        return None
    index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage.raw, line.place)
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(textpage.raw, index, x, y)
    return _shown(page, (x.value,), (y.value,)).bottom
