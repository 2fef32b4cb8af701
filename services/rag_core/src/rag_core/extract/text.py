"""Plain text and Markdown, read line by line so that a very large file needs little memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rag_core.extract import encoding
from rag_core.extract.blocks import (
    MAX_BLOCK_CHARS,
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Unreadable,
    blocks,
)

_HASHES = re.compile(r"^ {0,3}(#{1,6})\s+")
_UNDERLINE = re.compile(r"^(=+|-+|~+|\^+)\s*$")
_UNDERLINE_LEVEL = {"=": 1, "-": 2, "~": 3, "^": 4}
# CommonMark's fence; it may be in a list or a quotation.
_FENCE = re.compile(r"^[ \t]{0,40}(?:(?:[-*+>]|\d{1,9}[.)])[ \t]{0,10}){0,5}(`{3,}(?=[^`]*$)|~{3,})")
_CLOSED = re.compile(r"^[ \t>]{0,80}(`{3,}|~{3,})[ \t]*$")
_MOST_BLANK = 5  # consecutive lines; cleaning keeps fewer
_TABLE = re.compile(r"^\s*\|.*\|\s*$")


def parse(path: Path, *, markdown: bool) -> Iterator[Item]:
    """Head and blocks of a text file; a form feed starts a page."""
    how = encoding_of(path)
    pages = 1 if markdown else 1 + _form_feeds(path, how.codec)
    yield Head(title="", pages=pages)
    if how.remark:
        yield Note(Part.TEXT, 0, message=how.remark)
    empty = True
    for block in blocks_of(_read_lines(path, how.codec), markdown=markdown):
        empty = False
        yield block
    if empty:
        raise Unreadable("no_text", "the file holds blank space only; there is nothing to read")


def encoding_of(path: Path) -> encoding.Encoding:
    """Detect the file's encoding; raises Unreadable if it is not text or the encoding is unsure."""
    try:
        return encoding.of_file(path)
    except encoding.NotText as error:
        raise Unreadable("corrupt", "the file is not text: it holds bytes that no text has") from error
    except encoding.Unsure as error:
        raise Unreadable("unknown_encoding", f"the file is text, but {error}") from error


def _read_lines(path: Path, codec: str) -> Iterator[str]:
    """Yield the lines; over-long ones are split between words, and runs of blank ones are shortened."""
    rest, blank = "", 0
    with path.open(encoding=codec, errors="replace") as file:
        while line := file.readline(MAX_BLOCK_CHARS - len(rest)):
            line, rest = rest + line, ""
            if len(line) >= MAX_BLOCK_CHARS and line[-1] != "\n" and (cut := line.rfind(" ")) > 0:
                line, rest = line[:cut], line[cut + 1 :]
            blank = blank + 1 if line.isspace() and "\f" not in line else 0
            if blank <= _MOST_BLANK:
                yield line
    if rest:
        yield rest


def _form_feeds(path: Path, codec: str) -> int:
    return sum(line.count("\f") for line in _read_lines(path, codec))


def blocks_of(lines: Iterator[str], *, markdown: bool) -> Iterator[Block]:
    """Yield the paragraphs, headings, listings and tables in lines of text."""
    page = 1
    held: list[str] = []
    size = 0
    fence: str | None = None

    def flush(kind: BlockKind = BlockKind.TEXT) -> Iterator[Block]:
        nonlocal size
        yield from blocks(kind, "\n".join(held), page)
        held.clear()
        size = 0

    for raw in lines:
        *before, line = raw.split("\f")
        for part in before:
            held.append(part)
            yield from flush()
            page += 1 if not markdown else 0
        line = line.rstrip("\n")
        if size + len(line) >= MAX_BLOCK_CHARS:
            yield from flush(BlockKind.CODE if fence else _kind(held))
        size += len(line) + 1
        if markdown and fence is not None:
            held.append(line)
            if (closed := _CLOSED.match(line)) and closed[1].startswith(fence):
                yield from flush(BlockKind.CODE)
                fence = None
            continue
        if markdown and (opened := _FENCE.match(line)):
            yield from flush()
            fence = opened[1]
            held.append(line)
            continue
        if markdown and (head := _HASHES.match(line)):
            yield from flush()
            title = line[head.end() :].rstrip().rstrip("#")
            yield from blocks(BlockKind.HEADING, title, page, len(head.group(1)))
            continue
        if held and _is_underline(line, held[-1]):
            title = held.pop()
            yield from flush()
            yield from blocks(BlockKind.HEADING, title, page, _UNDERLINE_LEVEL[line[0]])
            continue
        is_table = bool(_TABLE.match(line))
        if held and is_table != bool(_TABLE.match(held[-1])):
            yield from flush(BlockKind.TEXT if is_table else BlockKind.TABLE)
        if not line.strip():
            yield from flush(_kind(held))
            continue
        held.append(line)
    yield from flush(BlockKind.CODE if fence else BlockKind.TEXT)


def _kind(held: list[str]) -> BlockKind:
    return BlockKind.TABLE if held and _TABLE.match(held[-1]) else BlockKind.TEXT


def _is_underline(line: str, title: str) -> bool:
    """Whether the line underlines a heading: one repeated mark, about as long as the line above."""
    return (
        bool(_UNDERLINE.match(line))
        and len(line.strip()) >= 3
        and abs(len(line.strip()) - len(title.strip())) <= 3
        and not _TABLE.match(title)
    )
