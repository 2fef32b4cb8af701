"""XLSX by openpyxl: a sheet is a page under its name, its rows a Markdown table, read row by row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path

import openpyxl

from rag_core.extract import archive, strict
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Unreadable, blocks
from rag_core.extract.rows import MAX_COLUMNS, rows_of


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a workbook: the values last calculated, not the formulas."""
    archive.check(path, "workbook", stream="xl/worksheets/")
    # openpyxl judges a path by its ending, which may be wrong or none; a file it judges by its content.
    with strict.opened(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # extensions that openpyxl does not keep
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            sheets = book.worksheets
            yield Head(title=(book.properties.title or "").strip(), pages=max(1, len(sheets)))
            empty = True
            for number, sheet in enumerate(sheets, 1):
                yield from blocks(BlockKind.HEADING, sheet.title, number, 1)
                sheet.reset_dimensions()  # some programs write them wrong, and rows would be left out
                values = sheet.iter_rows(values_only=True)
                rows = ([_shown(value) for value in row[:MAX_COLUMNS]] for row in values)
                for item in rows_of(rows, number):
                    empty = empty and not isinstance(item, Block)
                    yield item
        finally:
            book.close()
    if empty:
        raise Unreadable("no_text", "the workbook holds no values; pictures and charts cannot be read")


def _shown(value: object) -> str:
    """A cell as people read it: whole numbers without a point, dates without a midnight."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
