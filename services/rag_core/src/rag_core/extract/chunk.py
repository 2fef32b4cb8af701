"""Blocks to chunks: as large as the embedder can read, split at the document's own boundaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rag_core.extract.blocks import Block, BlockKind
from rag_core.models import Frozen
from rag_core.text import sentences, tokens

# Part of the embedding contract: a change here or in extract that moves a chunk's borders, its text or its
# headings must raise it, and so makes a new index. 2: PDFs have headings by type, and tables. 3: headings
# with nothing below, cleaner text, limits in bytes.
VERSION = 3
# A section shorter than this stays with the next one, its heading kept as a line of text.
_SMALL = 40
# Word pieces that neighbours share where a text had no boundary to split at.
_OVERLAP = 24
_MAX_HEADING_SHARE = 4  # headings take a quarter of a chunk at most


class Chunk(Frozen):
    """A stretch of a document that is embedded and found as one unit."""

    ordinal: int
    headings: tuple[str, ...]
    text: str
    page_start: int
    page_end: int
    page_marks: tuple[tuple[int, int], ...]
    tokens: int

    @property
    def title(self) -> str:
        """The headings above the chunk in one line."""
        return " > ".join(self.headings)

    @property
    def embedded(self) -> str:
        """The text given to the embedder."""
        return tokens.broken(f"{self.title}\n{self.text}" if self.headings else self.text)


@dataclass(slots=True)
class _Unit:
    text: str
    page: int
    tokens: int


@dataclass(slots=True)
class _Open:
    """The chunk being filled."""

    headings: tuple[str, ...]
    room: int
    units: list[_Unit] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)


@dataclass(slots=True)
class _Heading:
    level: int
    text: str
    page: int
    shown: bool = False  # already in a chunk, as a heading above it or as a line of its text


class Chunker:
    """Turns a document's blocks into chunks of at most `max_tokens` pieces, headings included."""

    def __init__(self, max_tokens: int) -> None:
        self._max = max_tokens
        self._path: list[_Heading] = []
        self._open: _Open | None = None
        self._ordinal = 0

    def chunks(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """The chunks in order; one Chunker serves one document."""
        for block in blocks:
            if block.kind is BlockKind.HEADING:
                yield from self._heading(block)
            else:
                for unit in self._units(block):
                    yield from self._add(unit)
        # Close level 1, not the file's title (level 0): on its own it is not text of the document.
        yield from self._close(1)
        yield from self._flush()

    def _heading(self, block: Block) -> Iterator[Chunk]:
        yield from self._close(block.level)
        small = self._open is not None and self._open.tokens < _SMALL
        if not small:
            yield from self._flush()
        self._path.append(_Heading(block.level, block.text, block.page, shown=small))
        if small:
            yield from self._line(block.text, block.page)

    def _close(self, level: int) -> Iterator[Chunk]:
        """End the sections of this level and deeper; a heading with nothing below it becomes text."""
        ended = [heading for heading in self._path if heading.level >= level]
        self._path = [heading for heading in self._path if heading.level < level]
        bare = [heading for heading in ended if not heading.shown]
        if bare and (self._open is None or self._open.tokens >= _SMALL):
            yield from self._flush()
        for heading in bare:
            yield from self._line(heading.text, heading.page)

    def _line(self, text: str, page: int) -> Iterator[Chunk]:
        """Add a heading as a line of text."""
        for unit in self._units(Block(BlockKind.TEXT, text, page)):
            yield from self._add(unit)

    def _add(self, unit: _Unit) -> Iterator[Chunk]:
        if self._open is not None and self._open.tokens + unit.tokens > self._open.room:
            yield from self._flush()
        if self._open is not None:
            self._open.units.append(unit)
            return
        kept, room = self._fitting_headings()
        self._open = opened = _Open(kept, room)
        if left := self._left(kept):
            for heading in left:
                yield from self._line(heading.text, heading.page)
            yield from self._add(unit)
        else:
            opened.units.append(unit)

    def _left(self, kept: tuple[str, ...]) -> list[_Heading]:
        """Return the headings that are in no chunk yet and do not fit above the one that begins."""
        whole = self._path[len(self._path) - len(kept) :]
        left = [one for one in self._path[: len(self._path) - len(kept)] if not one.shown]
        left += [one for one, title in zip(whole, kept, strict=True) if not one.shown and one.text != title]
        for heading in self._path:
            heading.shown = True
        return left

    def _flush(self) -> Iterator[Chunk]:
        done, self._open = self._open, None
        if done is None or not done.units:
            return
        text = ""
        marks: list[tuple[int, int]] = []
        for unit in done.units:
            if text:
                text += "\n"
            if not marks or marks[-1][1] != unit.page:
                marks.append((len(text), unit.page))
            text += unit.text
        yield Chunk(
            ordinal=self._ordinal,
            headings=done.headings,
            text=text,
            page_start=marks[0][1],
            page_end=marks[-1][1],
            page_marks=tuple(marks),
            tokens=self._max - done.room + done.tokens,
        )
        self._ordinal += 1

    def _fitting_headings(self) -> tuple[tuple[str, ...], int]:
        """Return the innermost headings that fit into their share, and the pieces left for text."""
        share = self._max // _MAX_HEADING_SHARE
        kept: list[str] = []
        for heading in reversed(self._path):
            candidate = [heading.text, *kept]
            if tokens.count(" > ".join(candidate)) > share:
                break
            kept = candidate
        if not kept and self._path:
            kept = [tokens.cut(self._path[-1].text, share)]
            kept = [k for k in kept if k]
        used = tokens.count(" > ".join(kept)) if kept else 0
        return tuple(kept), self._max - tokens.WRAPPING - used

    def _units(self, block: Block) -> Iterator[_Unit]:
        """Split the block into units that fit into any chunk, at the best boundary it has."""
        room = self._max - tokens.WRAPPING - self._max // _MAX_HEADING_SHARE
        size = tokens.count(block.text)
        if size <= room:
            yield _Unit(block.text, block.page, size)
            return
        if block.kind is BlockKind.TABLE:
            pieces = _table_pieces(block.text, room)
        elif block.kind is BlockKind.CODE:
            pieces = _packed(block.text.split("\n"), room, "\n")
        else:
            pieces = _packed(sentences.split(block.text), room, " ")
        for piece in pieces:
            yield _Unit(piece, block.page, tokens.count(piece))


def _packed(parts: list[str], room: int, glue: str) -> list[str]:
    """Join parts while they fit; a part larger than `room` is split into overlapping windows."""
    found: list[str] = []
    held: list[str] = []
    used = 0
    for part, size in zip(parts, tokens.counts(parts), strict=True):
        if held and used + size > room:
            found.append(glue.join(held))
            held, used = [], 0
        if size > room:
            found.extend(tokens.windows(part, room, _OVERLAP))
            continue
        held.append(part)
        used += size
    if held:
        found.append(glue.join(held))
    return [piece for piece in found if piece.strip()]


def _table_pieces(text: str, room: int) -> list[str]:
    """Split a long table into parts, each with the table's head."""
    lines = text.split("\n")
    head = "\n".join(lines[:2])
    left = room - tokens.count(head)
    if len(lines) < 3 or left < room // 2:
        return _packed(lines, room, "\n")
    return [f"{head}\n{part}" for part in _packed(lines[2:], left, "\n")]
