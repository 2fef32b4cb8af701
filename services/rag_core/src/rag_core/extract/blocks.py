"""What a parser gives: a head, then blocks in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rag_core.extract.cleaning import clean as clean
from rag_core.extract.cleaning import one_line

# A block never grows over this, so memory stays flat whatever the file holds.
MAX_BLOCK_CHARS = 20_000
# A longer table is given in parts of about this size, each under the table's own head.
_TABLE_CHARS = 8_000
MAX_HEADING_CHARS = 300


class BlockKind(StrEnum):
    """What a stretch of text is; it decides where a chunk may end."""

    HEADING = "heading"
    TEXT = "text"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Head:
    """What is known before the text: the title and the number of pages."""

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
    """A sign of life between blocks of a file that is slow to read: the page just finished."""

    page: int


class Part(StrEnum):
    """What a document is made of, as its reading report counts it."""

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
    """A line of the reading report: a part that was read beside the page's text, or one that was not.

    `message` is the whole sentence a person reads, with the place first ("page 3: a picture without text",
    "sheet Costs: 14 formulas were never calculated"). What was read needs none: it is only counted.
    """

    part: Part
    count: int = 1
    read: bool = True
    message: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in this place, as it is stored; what it shows as text is read in its place.

    `described`: the document says what it shows. `where` is what a page of the file is called ("slide"), or
    the whole place, or nothing. `name` is that of an attached file.
    """

    data: bytes
    page: int
    where: str = ""
    described: bool = False
    name: str = ""


Item = Head | Block | Pulse | Note | Picture


def span(unit: str, numbers: Sequence[int]) -> str:
    """From the first to the last of some places: "page 3", "pages 3 to 90"."""
    first, last = numbers[0], numbers[-1]
    return f"{unit} {first}" if first == last else f"{unit}s {first} to {last}"


@dataclass(frozen=True, slots=True)
class Ocr:
    """How pictures of text are read: languages as Tesseract names them ("eng+deu"), seconds for one page."""

    languages: str
    page_seconds: float


class Unreadable(Exception):  # noqa: N818 - said of the file
    """Raised by a parser: a stable code and the reason a person reads."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def blocks(kind: BlockKind, text: str, page: int, level: int = 0) -> Iterator[Block]:
    """The cleaned text as one block, or several when it is very long; none when it is blank.

    What follows after the first MAX_HEADING_CHARS of a heading is text below it: nobody heads a section so.
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
    """Where the text is cut so that it is not too long: after a line, else a word, else anywhere."""
    if len(text) <= most:
        return len(text)
    cut = max(text.rfind("\n", 0, most), text.rfind(" ", 0, most))
    return cut if cut > 0 else most


def tables(rows: Iterable[list[str]], page: int) -> Iterator[Block]:
    """Rows of cells as Markdown; the first is the head, and a long table is given in parts under it."""
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
    """One part of a table; a head as long as a whole part is said once only."""
    whole = _lines(head, lines, width)
    if before and len(whole[0]) > _TABLE_CHARS:
        whole = lines
    yield from blocks(BlockKind.TABLE, "\n".join(whole), page)
