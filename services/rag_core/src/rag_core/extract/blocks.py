"""What a parser gives: a head, then blocks in reading order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

# A block never grows over this, so memory stays flat whatever the file holds.
MAX_BLOCK_CHARS = 20_000
# A longer table is given in parts of about this size, each under the table's own head.
_TABLE_CHARS = 8_000
_KEPT_CONTROLS = "\n\t"


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


Item = Head | Block | Pulse | Note


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


def clean(text: str) -> str:
    """Valid, composed text without control characters."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00ad", "")
    if any(ord(c) < 32 and c not in _KEPT_CONTROLS for c in text):
        text = "".join(c if ord(c) >= 32 or c in _KEPT_CONTROLS else " " for c in text)
    return re.sub(r"[ \u00a0]+\n", "\n", text).strip()


def blocks(kind: BlockKind, text: str, page: int, level: int = 0) -> Iterator[Block]:
    """The cleaned text as one block, or several when it is very long; none when it is blank."""
    text = clean(text)
    if kind is BlockKind.HEADING:
        text = re.sub(r"\s+", " ", text)[:300]
    while text:
        cut = len(text)
        if cut > MAX_BLOCK_CHARS:
            cut = max(text.rfind("\n", 0, MAX_BLOCK_CHARS), text.rfind(" ", 0, MAX_BLOCK_CHARS))
            cut = cut if cut > 0 else MAX_BLOCK_CHARS
        yield Block(kind, text[:cut].rstrip(), page, level)
        text = text[cut:].lstrip()


def tables(rows: Iterable[list[str]], page: int) -> Iterator[Block]:
    """Rows of cells as Markdown; the first is the head, and a long table is given in parts under it."""
    head: list[str] | None = None
    lines: list[str] = []
    width = size = 0
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
            yield _table(head, lines, width, page)
            lines, size = [], 0
    if head is not None and (lines or size == 0):
        yield _table(head, lines, width, page)


def markdown_table(rows: list[list[str]]) -> str:
    """Rows of cells as one Markdown table; the first row is its head."""
    kept = [row for row in map(_cells, rows) if any(row)]
    width = max(map(len, kept), default=0)
    return "\n".join(_lines(kept[0], [_line(row, width) for row in kept[1:]], width)) if kept else ""


def _cells(row: list[str]) -> list[str]:
    return [re.sub(r"\s+", " ", clean(cell)).strip().replace("|", "\\|") for cell in row]


def _line(row: list[str], width: int) -> str:
    return "| " + " | ".join(row + [""] * (width - len(row))) + " |"


def _lines(head: list[str], lines: list[str], width: int) -> list[str]:
    return [_line(head, width), "|" + " --- |" * width, *lines]


def _table(head: list[str], lines: list[str], width: int, page: int) -> Block:
    return Block(BlockKind.TABLE, "\n".join(_lines(head, lines, width)), page)
