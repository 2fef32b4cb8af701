"""Rows of a sheet to tables: a blank row ends one; what is above its head is text."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from rag_core.extract.blocks import BlockKind, Item, Note, Part, Pulse, blocks, tables

MAX_COLUMNS = 2_000
_PULSE_ROWS = 20_000
# The head is looked for in so many rows.
_LOOKED_AT = 25
# A head of more characters would leave no room for rows in a chunk: the columns are parted, each part with
# the first one.
_HEAD_CHARS = 240
_COLUMN_CHARS = 16
_BATCH = 200
# A cell of more characters is given by itself, under the name of its column.
_LONG_CELL = 500


def rows_of(rows: Iterable[list[str]], page: int) -> Iterator[Item]:
    """Tables of a sheet: a blank row ends one; a run of single cells is text, not a table."""
    for filled, group in itertools.groupby(rows, key=any):
        if filled:
            yield from _table(_narrowed(group), page)
        else:
            for blank, _ in enumerate(group, 1):
                if blank % _PULSE_ROWS == 0:
                    yield Pulse(page - 1)


def _narrowed(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Rows without the empty columns at their left and right."""
    rows = iter(rows)
    start = list(itertools.islice(rows, _LOOKED_AT))
    # The head of the column with the names of the rows is often blank: the first row alone does not tell.
    first = min(next(i for i, cell in enumerate(row) if cell) for row in start)
    for row in itertools.chain(start, rows):
        filled = [i for i, cell in enumerate(row) if cell]
        yield row[min(first, filled[0]) : filled[-1] + 1]


def _table(rows: Iterator[list[str]], page: int) -> Iterator[Item]:
    start = list(itertools.islice(rows, _LOOKED_AT))
    head = _head(start)
    for row in start[:head]:
        yield from blocks(BlockKind.TEXT, " ".join(filter(None, row)), page)
    if head == len(start):
        for row in rows:
            yield from blocks(BlockKind.TEXT, " ".join(filter(None, row)), page)
        return
    yield Note(Part.TABLE)
    body = itertools.chain(start[head + 1 :], rows)
    for number, items in enumerate(_batches(start[head], body, page), 1):
        yield from items
        if number % 10 == 0:
            yield Pulse(page - 1)


def _head(rows: list[list[str]]) -> int:
    """Where the table begins: the first row with nearly as many cells as any; their number if none does."""
    counts = [sum(map(bool, row)) for row in rows]
    widest = max(counts)
    if widest < 2:
        return len(rows)
    return next(i for i, count in enumerate(counts) if count > 1 and count * 10 >= widest * 6)


def _batches(head: list[str], rows: Iterator[list[str]], page: int) -> Iterator[Iterator[Item]]:
    """The table in parts of some rows, wide ones in parts of some columns too, each under its own head."""
    first = True
    while batch := list(itertools.islice(rows, _BATCH)):
        yield _part(head, batch, page)
        first = False
    if first:
        yield _part(head, [], page)


def _part(head: list[str], rows: list[list[str]], page: int) -> Iterator[Item]:
    long = [(row, i) for row in rows for i, cell in enumerate(row) if len(cell) > _LONG_CELL]
    text = [(row[0], head[i] if i < len(head) else "", row[i]) for row, i in long]
    for row, i in long:
        row[i] = f"{row[i][:80]}\u2026"
    width = max(map(len, [head, *rows]))
    for columns in _columns(head, width):
        picked = [[row[i] if i < len(row) else "" for i in columns] for row in [head, *rows]]
        yield from tables(picked, page)
    for key, name, cell in text:
        yield from blocks(BlockKind.TEXT, ": ".join(filter(None, (key[:80], name, cell))), page)


def _columns(head: list[str], width: int) -> Iterator[list[int]]:
    """The columns of each part: all, unless their names take too much room."""
    columns, room = [0], _HEAD_CHARS
    for i in range(1, width):
        # The head appears twice: its names, and the line below them.
        size = _COLUMN_CHARS + (len(head[i]) if i < len(head) else 0)
        if size > room and len(columns) > 1:
            yield columns
            columns, room = [0], _HEAD_CHARS
        columns.append(i)
        room -= size
    yield columns
