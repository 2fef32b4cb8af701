"""CSV: comma-, semicolon- or tab-separated values as a Markdown table, read row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rag_core.extract.blocks import Block, Head, Item, Note, Part, Unreadable
from rag_core.extract.rows import MAX_COLUMNS, rows_of
from rag_core.extract.text import encoding_of
from rag_core.sniff import delimiter


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a file of comma-, semicolon- or tab-separated values."""
    how = encoding_of(path)
    with path.open(encoding=how.codec, errors="replace", newline="") as file:
        start = file.read(64 * 1024)
        file.seek(0)
        yield Head(title="", pages=1)
        if how.remark:
            yield Note(Part.TEXT, 0, message=how.remark)
        csv.field_size_limit(1_000_000)
        rows = csv.reader(
            (line.replace("\0", "") for line in file), delimiter=delimiter(start, sure=False) or ","
        )
        empty = True
        try:
            for item in rows_of((row[:MAX_COLUMNS] for row in rows), 1):
                empty = empty and not isinstance(item, Block)
                yield item
        except csv.Error as error:
            raise Unreadable(
                "corrupt", f"the table breaks its own rules in line {rows.line_num} ({error})"
            ) from error
    if empty:
        raise Unreadable("no_text", "the table holds no values; there is nothing to read")
