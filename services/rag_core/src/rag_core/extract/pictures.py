"""Text in pictures: limits on recognition within one document, and the outcome for each file.

Readers yield a picture as an item at its place; its recognised lines replace it.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageOps

from rag_core.extract import ocr
from rag_core.extract.apart import apart
from rag_core.extract.attached import unread
from rag_core.extract.blocks import BlockKind, Item, Note, Ocr, Part, Picture, Pulse, Unreadable, blocks, span
from rag_core.extract.signatures import picture_format

LEAST_PIXELS = (150, 40)  # a smaller picture is a logo or an icon
MOST_PIXELS = 400_000_000
_MOST_IN_ALL = 300  # pictures beside text; each takes Tesseract a second or more
_MOST_MET = 3_000  # including icons and repeated pictures, which cost little
_SECONDS_IN_ALL = 900.0  # for the pictures beside text
_MOST_FRAMES = 50  # pages of a fax (TIFF)
# Pixels: a smaller picture is probably a screenshot, whose letters are too small for Tesseract.
_FINE = 1_500_000
_ENLARGED = 2

WITHOUT_TEXT = "without text"
VERY_MANY = "was not read, being one of very many"
UNDESCRIBED = "without a description, not read"
_SWITCHED_OFF = "reading pictures of text is switched off"
# Reasons that are not reported if the picture has a description.
_HARMLESS = {WITHOUT_TEXT, UNDESCRIBED, f"was not read: {_SWITCHED_OFF}"}
_NO_TEXT = "no_text"
# Names for a page of a file that are followed by its number.
_PAGES = {"page", "slide", "chapter", "message"}
_HEAD = struct.Struct("<5I")  # a picture's width and height, its pages, width and height as drawn


@dataclass(frozen=True, slots=True)
class Seen:
    """The lines that a picture shows, and why it, or the rest of it, was not read."""

    lines: list[str]
    why: str = ""


class Recognition:
    """Recognises text in the pictures of one document, including embedded files, up to a total limit."""

    def __init__(self, reader: Ocr | None) -> None:
        self.reader = reader
        self.missing = "" if reader else _SWITCHED_OFF
        self._met = self._tried = 0
        self._seconds = _SECONDS_IN_ALL
        self._known: dict[bytes, Seen] = {}

    @property
    def page_seconds(self) -> float:
        """Time limit for one page or picture."""
        return self.reader.page_seconds if self.reader else 0.0

    @property
    def off(self) -> str:
        """Why no picture is read."""
        return f"was not read: {self.missing}"

    def fails(self, why: ocr.Unavailable) -> str:
        """Record that Tesseract cannot be used, so that no more pictures are read. Returns the reason."""
        self.reader, self.missing = None, str(why)
        return self.off

    def one_more(self) -> bool:
        """Count one more picture beside text; False if the limit is reached."""
        self._tried += 1
        return self._tried <= _MOST_IN_ALL and self._seconds > 0

    def spent(self, since: float) -> None:
        """Count the time spent on such a picture, from `since` on the monotonic clock."""
        self._seconds -= time.monotonic() - since

    def seen(self, data: bytes) -> Seen:
        """Read a stored picture; one that was seen before is not read again."""
        self._met += 1
        if self._met > _MOST_MET or self._seconds <= 0:
            return Seen([], VERY_MANY)
        mark = hashlib.sha256(data).digest()
        if mark in self._known:
            return Seen([], self._known[mark].why)
        kind = picture_format(data)
        if kind is None:
            return Seen([], UNDESCRIBED)
        if self.reader is None:
            return Seen([], self.off)
        since = time.monotonic()
        self._known[mark] = found = self._read(data, kind)
        self.spent(since)
        return found

    def _read(self, data: bytes, kind: str) -> Seen:
        until = time.monotonic() + min(self.page_seconds, self._seconds)
        lines: list[str] = []
        frame, frames = 0, 1
        while frame < frames and self.reader is not None:
            left = until - time.monotonic()
            if left <= 0:
                return Seen(lines, ocr.SLOW)
            most = ocr.MAX_PIXELS + _HEAD.size
            drawn = apart(partial(_drawn, data, kind, frame), min(left, ocr.DRAWING_SECONDS), most)
            if drawn is None:
                return Seen(lines, ocr.DAMAGED)
            width, height, pages, *size = _HEAD.unpack_from(drawn)
            if width * height > MOST_PIXELS:
                return Seen(lines, too_large(width, height))
            if pages > _MOST_FRAMES:
                return Seen(lines, f"has {pages:,} pages, more than the {_MOST_FRAMES} that are read of one")
            frame, frames = frame + 1, pages
            if not size[0]:
                continue
            if not self.one_more():
                return Seen(lines, VERY_MANY)
            picture = Image.frombytes("L", (size[0], size[1]), drawn[_HEAD.size :])
            try:
                lines += ocr.recognised(picture, self.reader, until - time.monotonic())
            except ocr.Unavailable as error:
                return Seen(lines, self.fails(error))
            except ocr.Unread as error:
                return Seen(lines, str(error))
        return Seen(lines, "" if lines else WITHOUT_TEXT)


class Outcomes:
    """The outcomes for the pictures of one file."""

    def __init__(self) -> None:
        self.read = 0
        self._unread: dict[tuple[str, str], list[int]] = defaultdict(list)

    def unread(self, why: str, page: int, where: str = "page") -> None:
        """Record a picture that was not read; `where` is as in Picture."""
        self._unread[why, where].append(page)

    def first(self, but: str = "") -> str:
        """Return the first reason other than `but` why a picture was not read, with its place, or ""."""
        return next((_remark(why, where, pages[:1]) for (why, where), pages in self._unread.items()
                     if why != but), "")  # fmt: skip

    def notes(self) -> Iterator[Note]:
        """Yield how many were read, and those that were not, by reason and place."""
        if self.read:
            yield Note(Part.PICTURE, self.read)
        for (why, where), pages in self._unread.items():
            yield Note(Part.PICTURE, len(pages), read=False, message=_remark(why, where, pages))


def recognised(items: Iterator[Item], recognition: Recognition) -> Iterator[Item]:
    """Yield the items of a file with each picture replaced by its text, and notes on pictures at the end."""
    outcomes = Outcomes()
    try:
        for item in items:
            if not isinstance(item, Picture):
                yield item
                continue
            yield Pulse(item.page)
            yield from _shown(item, recognition.seen(item.data), outcomes)
            yield Pulse(item.page)
    except Unreadable as error:
        if error.code != _NO_TEXT:
            raise
        if not outcomes.read:
            why = outcomes.first()
            raise Unreadable(error.code, f"{error.message}; {why}" if why else error.message) from error
    yield from outcomes.notes()


def too_large(width: int, height: int) -> str:
    """Return the reason why a picture of this size is not read."""
    return f"has {width:,} by {height:,} dots, too many to be read"


def _shown(picture: Picture, seen: Seen, outcomes: Outcomes) -> Iterator[Item]:
    """Yield what replaces the picture; a photograph with a description needs no remark."""
    outcomes.read += bool(seen.lines)
    yield from blocks(BlockKind.TEXT, "\n".join(seen.lines), picture.page)
    if picture.name:
        yield from _attached(picture, seen)
    elif seen.why == WITHOUT_TEXT and not picture.described:
        outcomes.unread(UNDESCRIBED, picture.page, picture.where)
    elif seen.why and not (picture.described and seen.why in _HARMLESS):
        outcomes.unread(seen.why, picture.page, picture.where)


def _attached(picture: Picture, seen: Seen) -> Iterator[Item]:
    if seen.lines or not seen.why:
        yield Note(Part.ATTACHMENT, message=f"attachment {picture.name} was read as part of this document")
    if seen.why:
        why = f"it is a picture {'' if seen.why == WITHOUT_TEXT else 'that '}{seen.why}"
        how = "was not read to its end" if seen.lines else "was not read"
        yield from unread(picture.name, why, picture.page, how)


def _remark(why: str, where: str, pages: list[int]) -> str:
    """Return a line of the report: where pictures are, how many, and why they were not read."""
    place = span(where, pages) if where in _PAGES else where
    many = "a picture" if len(pages) == 1 else f"{len(pages):,} pictures"
    each = "" if len(pages) == 1 or why.startswith("without") else ", each of which"
    return f"{f'{place}: ' if place else ''}{many}{each} {why}"


def _drawn(data: bytes, kind: str, frame: int) -> bytes:
    """Decode a page of a picture in shades of grey, after its size; runs in a separate process."""
    Image.MAX_IMAGE_PIXELS = None  # the size is checked below, before anything is decoded
    with Image.open(io.BytesIO(data), formats=[kind]) as picture:
        frames = getattr(picture, "n_frames", 1) if kind == "TIFF" else 1
        picture.seek(frame)
        width, height = picture.size
        if width < LEAST_PIXELS[0] or height < LEAST_PIXELS[1] or width * height > MOST_PIXELS:
            return _HEAD.pack(width, height, frames, 0, 0)
        scale = min(_ENLARGED if width * height < _FINE else 1, math.sqrt(ocr.MAX_PIXELS / (width * height)))
        size = (max(1, int(width * scale)), max(1, int(height * scale)))
        picture.draft("L", size)  # decode a photograph only at the resolution needed
        greys = _greys(picture).resize(size)
        greys = ImageOps.exif_transpose(greys)
        return _HEAD.pack(width, height, frames, *greys.size) + greys.tobytes()


def _greys(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return picture.point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        picture = paper
    return picture.convert("L")
