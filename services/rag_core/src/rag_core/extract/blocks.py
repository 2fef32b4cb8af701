"""What a parser yields: a head, then blocks in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rag_core.extract.cleaning import clean as clean
from rag_core.extract.cleaning import one_line

# No block is larger than this, so memory stays bounded whatever the file holds.
MAX_BLOCK_CHARS = 20_000
# A longer table is split into parts of about this size, each with the table's head.
_TABLE_CHARS = 8_000
MAX_HEADING_CHARS = 300


class BlockKind(StrEnum):
    """The kind of a stretch of text; it decides where a chunk may end."""

    HEADING = "heading"
    TEXT = "text"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Head:
    """What is known before the text is read: the title and the number of pages."""

    title: str
    pages: int


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph, table or listing on one page; level is the heading's depth."""

    kind: BlockKind
    text: str
    page: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class Pulse:
    """A keepalive between blocks of a file that is slow to read: the page just finished."""

    page: int


class Part(StrEnum):
    """The parts of a document that its reading report counts."""

    TABLE = "table"
    NOTE = "note"  # footnotes, endnotes, speaker's notes, cell notes
    COMMENT = "comment"
    ATTACHMENT = "attachment"
    FORM_FIELD = "form field"
    FORMULA = "formula"
    CHART = "chart"
    PICTURE = "picture"
    TEXT_BOX = "text box"
    RUNNING_LINE = "running line"  # a header or footer that repeats from page to page
    TEXT = "text"  # anything else


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the reading report: a part beside the page's text that was read, or one that was not.

    `message` is the whole sentence shown, with the place first ("page 3: a picture without text",
    "sheet Costs: 14 formulas were never calculated"). A part that was read needs none: it is only counted.
    """

    part: Part
    count: int = 1
    read: bool = True
    message: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture at this place, as it is stored; the text that it shows takes its place.

    `described`: the document describes the picture. `where` is what a page of the file is called ("slide"),
    or the complete place, or empty. `name` is that of an attached file.
    """

    data: bytes
    page: int
    where: str = ""
    described: bool = False
    name: str = ""


Item = Head | Block | Pulse | Note | Picture


def span(unit: str, numbers: Sequence[int]) -> str:
    """Name a range of places from first to last: "page 3", "pages 3 to 90"."""
    first, last = numbers[0], numbers[-1]
    return f"{unit} {first}" if first == last else f"{unit}s {first} to {last}"


@dataclass(frozen=True, slots=True)
class Ocr:
    """How pictures of text are read: languages as Tesseract names them ("eng+deu"), seconds for one page."""

    languages: str
    page_seconds: float


class Unreadable(Exception):  # noqa: N818 - said of the file
    """Raised by a parser: a stable code, and the reason shown to users."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def blocks(kind: BlockKind, text: str, page: int, level: int = 0) -> Iterator[Block]:
    """Yield the cleaned text as one block, or several when it is very long; none when it is blank.

    A heading longer than MAX_HEADING_CHARS is not a real one: the rest becomes text below it.
    """
    if kind is BlockKind.HEADING:
        text = one_line(text)
        cut = _cut(text, MAX_HEADING_CHARS)
        if text:
            yield Block(kind, text[:cut].rstrip(), page, level)
        kind, text, level = BlockKind.TEXT, text[cut:].lstrip(), 0
    else:
        text = clean(text)
    while text:
        cut = _cut(text, MAX_BLOCK_CHARS)
        yield Block(kind, text[:cut].rstrip(), page, level)
        text = text[cut:].lstrip()


def _cut(text: str, most: int) -> int:
    """Return where to cut a text that is too long: after a line, else a word, else anywhere."""
    if len(text) <= most:
        return len(text)
    cut = max(text.rfind("\n", 0, most), text.rfind(" ", 0, most))
    return cut if cut > 0 else most


def tables(rows: Iterable[list[str]], page: int) -> Iterator[Block]:
    """Yield rows of cells as Markdown; the first is the head, which each part of a long table repeats."""
    head: list[str] | None = None
    lines: list[str] = []
    width = size = parts = 0
    for row in map(_cells, rows):
        if not any(row):
            continue
        if head is None:
            head, width = row, len(row)
            continue
        width = max(width, len(row))
        lines.append(_line(row, width))
        size += len(lines[-1])
        if size > _TABLE_CHARS:
            yield from _table(head, lines, width, page, parts)
            lines, size, parts = [], 0, parts + 1
    if head is not None and (lines or parts == 0):
        yield from _table(head, lines, width, page, parts)


def _cells(row: list[str]) -> list[str]:
    return [one_line(cell).replace("|", "\\|") for cell in row]


def _line(row: list[str], width: int) -> str:
    return "| " + " | ".join(row + [""] * (width - len(row))) + " |"


def _lines(head: list[str], lines: list[str], width: int) -> list[str]:
    return [_line(head, width), "|" + " --- |" * width, *lines]


def _table(head: list[str], lines: list[str], width: int, page: int, before: int) -> Iterator[Block]:
    """Yield one part of a table; a head as long as a whole part is not repeated."""
    whole = _lines(head, lines, width)
    if before and len(whole[0]) > _TABLE_CHARS:
        whole = lines
    yield from blocks(BlockKind.TABLE, "\n".join(whole), page)
