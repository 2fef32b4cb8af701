"""Ruled tables of a page: assigns each letter to a cell, so that no word is read twice or lost."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag_core.extract.pdf.bands import SAME_LINE, CellLine, cell_text, rows_of
from rag_core.extract.pdf.grid import Cell, Grid, grids
from rag_core.extract.pdf.line import Line
from rag_core.extract.pdf.rules import rules, turned

_LEAST_ROWS = 2
_LEAST_FILLED = 0.3  # of the cells; the grid of a chart is nearly empty
_LARGEST_CELL = 0.5  # of the page; a larger one is the page's frame
_TITLE_LINES = 3  # in a cell over several columns
_SAME_BORDER = 3.0  # points


@dataclass(slots=True)
class _Filling:
    """A grid, the lines of text in its cells, and the positions of its letters in the page's text."""

    grid: Grid
    cells: dict[Cell, list[CellLine]] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)

    def add(self, cell: Cell, letter: str, y: float, *, goes_on: bool) -> None:
        """Add a letter to a cell; unless it continues the last one, it may begin a line there."""
        lines = self.cells.setdefault(cell, [])
        if goes_on and lines:
            lines[-1].text += letter
        elif lines and abs(lines[-1].y - y) <= SAME_LINE:
            lines[-1].text += " " + letter
        else:
            lines.append(CellLine(letter, y))


def found(
    page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, text: str, drawn: Mapping[int, Sequence[Any]]
) -> tuple[list[tuple[int, Line]], str]:
    """Return tables with the position of their first letter in the page's text, and the text without them.

    The text keeps its length: each letter in a table is replaced by a line end.
    """
    size = page.get_size()
    ruled = [grid for grid in grids(rules(page, drawn)) if _largest(grid) < _LARGEST_CELL * size[0] * size[1]]
    if not ruled:
        return [], text
    tables: list[tuple[int, Line]] = []
    rest = list(text)
    for one in _filled(textpage, text, ruled, page.get_rotation()):
        lines = _lines(one)
        if lines:
            tables.extend((one.places[0], line) for line in lines)
            for place in one.places:
                rest[place] = "\n"
    return tables, "".join(rest)


def continued(above: Line | None, lines: list[Line]) -> None:
    """Repeat the head of a table that continues from the previous page, whose last line is `above`."""
    first = lines[0] if lines else None
    if not (above and first and above.rows and first.rows and len(above.columns) == len(first.columns)):
        return
    if above.rows[0] != first.rows[0] and all(
        abs(a - b) <= _SAME_BORDER for a, b in zip(above.columns, first.columns, strict=True)
    ):
        first.rows = (above.rows[0], *first.rows)


def _largest(grid: Grid) -> float:
    widths = [b - a for a, b in zip(grid.xs, grid.xs[1:], strict=False)]
    heights = [a - b for a, b in zip(grid.ys, grid.ys[1:], strict=False)]
    return max(widths) * max(heights)


def _filled(textpage: pdfium.PdfTextPage, text: str, ruled: Sequence[Grid], rotation: int) -> list[_Filling]:
    fillings = [_Filling(grid) for grid in ruled]
    left, right, bottom, top, x, y = (ctypes.c_double() for _ in range(6))
    raw = textpage.raw
    before: tuple[_Filling, Cell] | None = None
    goes_on = False
    for place, letter in enumerate(text):
        # Blanks and line ends, many added by pdfium, have no position: they belong to the letter before.
        if letter.isspace():
            goes_on = goes_on and letter not in "\r\n"
        else:
            index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, place)
            pdfium_c.FPDFText_GetCharBox(raw, index, left, right, bottom, top)
            pdfium_c.FPDFText_GetCharOrigin(raw, index, x, y)
            middle = turned(rotation, (left.value + right.value) / 2, (bottom.value + top.value) / 2)
            here = next(((one, cell) for one in fillings if (cell := one.grid.cell(*middle))), None)
            if here:
                base = turned(rotation, x.value, y.value)[1]
                here[0].add(here[1], letter, base, goes_on=goes_on and here == before)
            before, goes_on = here, True
        if before:
            before[0].places.append(place)
            if letter.isspace() and goes_on:
                before[0].add(before[1], letter, 0.0, goes_on=True)
    return [one for one in fillings if one.places]


def _lines(one: _Filling) -> list[Line]:
    """Return the table, after its title if that is a row over the whole width; empty if it is no table."""
    grid, cells = one.grid, one.cells
    if len({row for row, _ in cells}) < 2 or len({column for _, column in cells}) < 2:
        return []
    if len(cells) < _LEAST_FILLED * (grid.rows * grid.columns - len(grid.owner)):
        return []
    if any(len(cells.get(cell, ())) > _TITLE_LINES for cell in grid.spanning()):
        return []  # a part without lines between its columns, or a box of text
    head = next(row for row in range(grid.rows) if not grid.wide(row))
    if grid.rows - head < _LEAST_ROWS:
        return []  # a banner over columns of text
    titles = [Line(cell_text(cells[row, 0]), y=grid.ys[row + 1]) for row in range(head) if (row, 0) in cells]
    columns = sorted({column for row, column in cells if row >= head})
    bands = [[cells.get((row, column), []) for column in columns] for row in range(head, grid.rows)]
    rows = tuple(row for row in rows_of(bands) if any(row))
    text = " ".join(cell for row in rows for cell in row if cell)
    return [*titles, Line(text, y=grid.ys[-1], rows=rows, columns=grid.xs)]
