"""Lines of a page to blocks: headings, tables, and joined paragraphs."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

from rag_core.extract.blocks import Block, BlockKind, blocks, tables
from rag_core.extract.pdf.line import Line, listed

_BULLET = re.compile(r"^\s*(?:[\u2022\u25cf\u25aa\u2013*-]|\(?\d{1,3}[.)])\s")


def page_blocks(lines: list[Line], number: int) -> Iterator[Block]:
    """Yield the blocks of page `number`, whose headings are already marked."""
    lengths = [len(line.text) for line in lines if not line.rows]
    full = statistics.quantiles(lengths, n=10)[-1] if len(lengths) > 1 else 80.0
    held: list[str] = []
    for line in lines:
        if line.level or line.rows or (held and _begins(line.text, held[-1], full)):
            yield from blocks(BlockKind.TEXT, _joined(held, full), number)
            held = []
        if line.level:
            yield from blocks(BlockKind.HEADING, line.text, number, line.level)
        elif line.rows:
            yield from tables(map(list, line.rows), number)
        else:
            held.append(line.text)
    yield from blocks(BlockKind.TEXT, _joined(held, full), number)


def _begins(line: str, above: str, full: float) -> bool:
    """Whether the line begins a paragraph."""
    return bool(_BULLET.match(line)) or (len(above) < 0.8 * full and above.endswith((".", "!", "?", ":")))


def _joined(lines: list[str], full: float) -> str:
    """Join the lines of a paragraph; short ones (listings, tables) keep their line breaks."""
    text = ""
    for i, line in enumerate(lines):
        text += line
        if i + 1 < len(lines):
            text += " " if len(line) > 0.7 * full and not listed(line) else "\n"
    return text
