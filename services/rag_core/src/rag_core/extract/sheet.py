"""XLSX by openpyxl: a sheet is a page headed by its name, with its rows as Excel shows them."""

from __future__ import annotations

import itertools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.formula import ArrayFormula

from rag_core.extract import archive, strict
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Unreadable, blocks
from rag_core.extract.charts import parsed
from rag_core.extract.number_format import shown
from rag_core.extract.rows import MAX_COLUMNS, rows_of
from rag_core.extract.sheet_parts import Merged, Parts

_WORKBOOK = re.compile(r"xl/workbook\d*\.xml")


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of a workbook; `read` gives the blocks of embedded files."""
    archive.check(path, "workbook", stream="xl/worksheets/")
    # openpyxl judges a path by its extension, which may be wrong or missing, but an open file by its content.
    with strict.opened(path) as file, zipfile.ZipFile(file) as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about extensions that openpyxl does not keep
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        formulas = None
        try:
            sheets = book.worksheets
            yield Head(title=(book.properties.title or "").strip(), pages=max(1, len(sheets)))
            yield from _missing(packed, book)
            empty = True
            for number, sheet in enumerate(sheets, 1):
                yield from blocks(BlockKind.HEADING, sheet.title, number, 1)
                parts = Parts(packed, str(sheet._worksheet_path))
                if sheet.sheet_state != "visible":
                    yield Note(
                        Part.TEXT, 0, message=f"sheet {sheet.title} is hidden, and was read all the same"
                    )
                if parts.has_formulas():
                    formulas = formulas or openpyxl.load_workbook(file, read_only=True)
                one = _Sheet(
                    sheet, formulas[sheet.title] if formulas and parts.has_formulas() else None, parts, number
                )
                for item in itertools.chain(
                    rows_of(one.rows(), number), parts.beside(number, sheet.title, read)
                ):
                    empty = empty and not isinstance(item, Block)
                    yield item
                for item in one.remarks():
                    empty = empty and not isinstance(item, Block)
                    yield item
        finally:
            book.close()
            if formulas is not None:
                formulas.close()
    if empty:
        raise Unreadable("no_text", "the workbook holds no values")


def _missing(packed: zipfile.ZipFile, book: Any) -> Iterator[Item]:
    """Report sheets that the workbook lists but the file does not contain."""
    part = next((name for name in packed.namelist() if _WORKBOOK.fullmatch(name)), "")
    root = parsed(packed.read(part)) if part else None
    known = {sheet.title for sheet in (*book.worksheets, *book.chartsheets)}
    for named in root.iterfind("{*}sheets/{*}sheet") if root is not None else ():
        if (name := str(named.get("name"))) not in known:
            message = f"sheet {name}: the file lacks it; open the workbook and save it again"
            yield Note(Part.TEXT, read=False, message=message)


class _Sheet:
    """The cells of a sheet as Excel shows them."""

    def __init__(self, values: Any, formulas: Any | None, parts: Parts, page: int) -> None:
        self._page = page
        self._values = values
        self._formulas = formulas
        self._merged = parts.merged()
        self._notes = parts.notes()
        self._links = parts.links()
        self._running = parts.running()
        self._uncalculated = 0
        self._wide = False

    def rows(self) -> Iterator[list[str]]:
        """Yield each row; a cell over several rows appears in each of them."""
        self._values.reset_dimensions()  # some programs write wrong ones, and rows would be missing
        rows = self._values.iter_rows()
        if self._formulas is None:
            pairs: Iterator[tuple[Any, Any]] = ((row, ()) for row in rows)
        else:
            self._formulas.reset_dimensions()
            pairs = itertools.zip_longest(rows, self._formulas.iter_rows(), fillvalue=())
        open_ranges: dict[int, tuple[Merged, str]] = {}
        coming = iter([*self._merged, Merged(1 << 30, 0, 0)])
        following = next(coming)
        for number, (row, written) in enumerate(pairs, 1):
            self._wide = self._wide or len(row) > MAX_COLUMNS
            cells = [self._shown(cell, written, i, number) for i, cell in enumerate(row[:MAX_COLUMNS])]
            for column, (merged, text) in list(open_ranges.items()):
                if number > merged.bottom:
                    del open_ranges[column]
                elif text:
                    cells += [""] * (column - len(cells))
                    cells[column - 1] = text
            while following.top <= number:
                text = cells[following.column - 1] if following.column <= len(cells) else ""
                open_ranges[following.column] = (following, text)
                following = next(coming)
            yield cells

    def remarks(self) -> Iterator[Item]:
        """Yield counts of comments, running lines, and remarks on what the cells did not show."""
        title = self._values.title
        if self._notes:
            yield Note(Part.COMMENT, len(self._notes))
        for line in self._running:
            yield Note(Part.RUNNING_LINE)
            yield from blocks(BlockKind.TEXT, line, self._page)
        if self._uncalculated:
            many = "1 formula was" if self._uncalculated == 1 else f"{self._uncalculated:,} formulas were"
            save = "open the workbook in a spreadsheet program and save it"
            message = f"sheet {title}: {many} never calculated; {save}"
            yield Note(Part.FORMULA, self._uncalculated, read=False, message=message)
        if self._wide:
            message = f"sheet {title}: columns beyond the first {MAX_COLUMNS:,} were not read"
            yield Note(Part.TABLE, read=False, message=message)

    def _shown(self, cell: Any, written: Any, i: int, row: int) -> str:
        text = shown(cell.value, getattr(cell, "number_format", None))
        if cell.value is None and i < len(written):
            formula = written[i].value
            formula = formula.text if isinstance(formula, ArrayFormula) else formula
            if isinstance(formula, str) and formula.startswith("="):
                self._uncalculated += 1
                text = formula
        address = self._links.get((row, i + 1)) if self._links else None
        if address and text and address.removeprefix("mailto:") not in text:
            text = f"{text} ({address})"
        note = self._notes.get((row, i + 1)) if self._notes else None
        return f"{text} (note: {note})".strip() if note else text
