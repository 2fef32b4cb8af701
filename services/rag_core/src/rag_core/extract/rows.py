"""Rows of a sheet to tables: a blank row ends a table; rows above its head are text."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from rag_core.extract.blocks import BlockKind, Item, Note, Part, Pulse, blocks, tables

MAX_COLUMNS = 2_000
_PULSE_ROWS = 20_000
# The head is searched for in this many rows.
_LOOKED_AT = 25
# A longer head would leave no room for rows in a chunk: the columns are split into parts, each with the first
# column.
_HEAD_CHARS = 240
_COLUMN_CHARS = 16
_BATCH = 200
# A cell with more characters becomes a text of its own, with the name of its column.
_LONG_CELL = 500


def rows_of(rows: Iterable[list[str]], page: int) -> Iterator[Item]:
    """Yield the tables of a sheet: a blank row ends a table; a run of single cells is text."""
    for filled, group in itertools.groupby(rows, key=any):
        if filled:
            yield from _table(_narrowed(group), page)
        else:
            for blank, _ in enumerate(group, 1):
                if blank % _PULSE_ROWS == 0:
                    yield Pulse(page - 1)


def _narrowed(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield rows without the empty columns at the left and right."""
    rows = iter(rows)
    start = list(itertools.islice(rows, _LOOKED_AT))
    # The head of the column with the row names is often blank, so the first row alone is not enough.
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
    """Return the index of the head: the first row nearly as full as the fullest; len(rows) if none is."""
    counts = [sum(map(bool, row)) for row in rows]
    widest = max(counts)
    if widest < 2:
        return len(rows)
    return next(i for i, count in enumerate(counts) if count > 1 and count * 10 >= widest * 6)


def _batches(head: list[str], rows: Iterator[list[str]], page: int) -> Iterator[Iterator[Item]]:
    """Yield the table in parts of some rows, and of some columns if it is wide, each with its own head."""
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
    """Yield the columns of each part: all, unless their names take too much room."""
    columns, room = [0], _HEAD_CHARS
    for i in range(1, width):
        # A column takes room in two lines of the head: its name, and the rule below it.
        size = _COLUMN_CHARS + (len(head[i]) if i < len(head) else 0)
        if size > room and len(columns) > 1:
            yield columns
            columns, room = [0], _HEAD_CHARS
        columns.append(i)
        room -= size
    yield columns
