"""Rows of a table without lines between them: a band between two lines may hold one row or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag_core.extract.pdf.line import whole

SAME_LINE = 3.0  # points; a raised footnote mark is not a line of its own
_LEAST_ALIKE = 3

Band = Sequence[Sequence["CellLine"]]


@dataclass(slots=True)
class CellLine:
    """A line of text in a cell, and the height of its base line in points."""

    text: str
    y: float


def cell_text(lines: Sequence[CellLine]) -> str:
    """Return a cell's text on one line."""
    return " ".join(whole("\n".join(line.text.rstrip() for line in lines)).split())


def rows_of(bands: Sequence[Band]) -> list[tuple[str, ...]]:
    """Return the rows of a table's bands, each band given as the lines of its cells from left to right.

    The band below the only inner line is the table's body: each line in its first column begins a row.
    Elsewhere a band is one row, unless all its cells have lines at the same heights, at least three.
    """
    rows: list[tuple[str, ...]] = []
    for number, band in enumerate(bands):
        starts: list[float] = []
        if (len(bands) == 2 and number == 1) or _alike(band):
            starts = sorted((line.y for line in band[0]), reverse=True)
        rows.extend(_parted(band, starts))
    return rows


def _alike(band: Band) -> bool:
    filled = [sorted(line.y for line in cell) for cell in band if cell]
    if len(filled) < 2 or not band[0] or {len(cell) for cell in filled} != {len(filled[0])}:
        return False
    return len(filled[0]) >= _LEAST_ALIKE and all(
        max(same) - min(same) <= SAME_LINE for same in zip(*filled, strict=True)
    )


def _parted(band: Band, starts: Sequence[float]) -> list[tuple[str, ...]]:
    """Split a band into rows; anything above the first start is in the first row."""
    count = max(1, len(starts))
    rows: list[list[list[CellLine]]] = [[[] for _ in band] for _ in range(count)]
    for column, cell in enumerate(band):
        for line in cell:
            row = sum(line.y <= start + SAME_LINE for start in starts[1:])
            rows[row][column].append(line)
    return [tuple(map(cell_text, row)) for row in rows]
