"""RTF by striprtf: its text, paragraph by paragraph, and its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from rag_core import encoding
from rag_core.extract.blocks import BlockKind, Head, Item, Note, Part, Unreadable, blocks, tables

# Pictures are long runs of hexadecimal digits, which striprtf would take one at a time.
_PICTURE = re.compile(rb"[0-9A-Fa-f]{64}(?:[0-9A-Fa-f\r\n]{64}){2,}[0-9A-Fa-f\r\n]{0,63}")
_MOST_BYTES = 64 * 1024 * 1024


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of an RTF file."""
    data = path.read_bytes()
    pictures = data.count(b"\\pict")
    data = _PICTURE.sub(b"", data)
    if len(data) > _MOST_BYTES:
        raise Unreadable("too_large", "the file holds over 64 MiB of text; split it, or save it as DOCX")
    try:
        text = str(rtf_to_text(encoding.decoded(data)[0], errors="replace"))  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, IndexError, TypeError) as error:
        raise Unreadable(
            "corrupt",
            f"the RTF file breaks its format's rules ({type(error).__name__}); open it and save it as DOCX",
        ) from error
    yield Head(title="", pages=1)
    empty = True
    for block in _blocks(text):
        empty = False
        yield block
    if empty:
        raise Unreadable("no_text", "the RTF file holds no text; pictures of text need OCR: print it to PDF")
    if pictures:
        many = "a picture" if pictures == 1 else f"{pictures} pictures"
        yield Note(Part.PICTURE, pictures, read=False, message=f"{many} in an RTF file, which are not read")


def _blocks(text: str) -> Iterator[Item]:
    rows: list[list[str]] = []
    for line in [*text.split("\n"), ""]:
        cells = line.split("|")
        if len(cells) > 2 and not cells[-1].strip():  # striprtf closes each cell of a row so
            rows.append(cells[:-1])
            continue
        if rows:
            yield Note(Part.TABLE)
            yield from tables(rows, 1)
            rows = []
        yield from blocks(BlockKind.TEXT, line, 1)
