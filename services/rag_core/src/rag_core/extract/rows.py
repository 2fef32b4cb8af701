"""Rows of a sheet to tables: a blank row ends one; single cells above one are text."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from rag_core.extract.blocks import BlockKind, Item, Pulse, blocks, tables

MAX_COLUMNS = 500
_BLANK_ROWS = 1_000  # a sheet that was formatted to its end goes on with a million empty rows


def rows_of(rows: Iterable[list[str]], page: int) -> Iterator[Item]:
    """Tables of a sheet: a blank row ends one; a run of single cells is text, not a table."""
    blank = 0
    for filled, group in itertools.groupby(rows, key=any):
        if not filled:
            for _ in group:
                blank += 1
                if blank > _BLANK_ROWS:
                    return
            continue
        blank = 0
        yield from _table(_narrowed(group, page), page)


def _narrowed(rows: Iterable[list[str]], page: int) -> Iterator[list[str]]:
    """Rows without the empty columns at their left and right."""
    first: int | None = None
    for row in rows:
        filled = [i for i, cell in enumerate(row) if cell]
        if first is None:
            first = filled[0]
        yield row[min(first, filled[0]) : filled[-1] + 1]


def _table(rows: Iterator[list[str]], page: int) -> Iterator[Item]:
    lead = list(itertools.takewhile(lambda row: len(row) == 1, peeked := _Peek(rows)))
    yield from blocks(BlockKind.TEXT, "\n".join(row[0] for row in lead), page)
    for count, item in enumerate(tables(peeked.all(), page), 1):
        yield item
        if count % 20 == 0:
            yield Pulse(page - 1)


class _Peek:
    """An iterator that gives back the one row that `takewhile` took too much."""

    def __init__(self, rows: Iterator[list[str]]) -> None:
        self._rows = rows
        self._last: list[str] | None = None

    def __iter__(self) -> Iterator[list[str]]:
        for row in self._rows:
            self._last = row
            yield row
        self._last = None

    def all(self) -> Iterator[list[str]]:
        """The row seen last, unless it was the end, and the rest."""
        if self._last is not None:
            yield self._last
        yield from self._rows
