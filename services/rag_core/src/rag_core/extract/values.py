"""CSV: values separated by commas, semicolons, tabs or pipes, read row by row as a Markdown table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rag_core.extract import delimited
from rag_core.extract.blocks import Block, Head, Item, Note, Part, Unreadable
from rag_core.extract.rows import MAX_COLUMNS, rows_of
from rag_core.extract.text import encoding_of


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a file of separated values."""
    how = encoding_of(path)
    with path.open(encoding=how.codec, errors="replace", newline="") as file:
        start = file.read(64 * 1024)
        file.seek(0)
        yield Head(title="", pages=1)
        if how.remark:
            yield Note(Part.TEXT, 0, message=how.remark)
        csv.field_size_limit(1_000_000)
        form = delimited.form(start) or delimited.Form(",", 1)
        lines = (line.replace("\0", "") for line in file)
        if delimited.declared(start.partition("\n")[0]) is not None:
            next(lines)
        counted = _Counted(lines)
        rows = _joined(delimited.rows(counted, form), form.width)
        empty = True
        try:
            for item in rows_of((row[:MAX_COLUMNS] for row in rows), 1):
                empty = empty and not isinstance(item, Block)
                yield item
        except csv.Error as error:
            raise Unreadable(
                "corrupt", f"the table breaks its own rules in line {counted.number} ({error})"
            ) from error
    if empty:
        raise Unreadable("no_text", "the table holds no values; there is nothing to read")


class _Counted:
    """Iterates over lines and counts those taken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            yield line


def _joined(rows: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    """Drop blank lines between the rows of one table, since its head applies to all of them.

    Blank lines before the first completely filled row are kept: they separate the table from the text above.
    """
    before = 0
    filled = False
    blank: list[list[str]] = []
    for row in rows:
        if not row:
            blank = [row]
            continue
        if not filled or before != width or len(row) != width:
            yield from blank
        blank = []
        before = len(row)
        filled = filled or (before == width and all(row))
        yield row
