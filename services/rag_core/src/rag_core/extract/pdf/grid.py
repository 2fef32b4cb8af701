"""Finds ruled grids among the lines of a page: geometry only, in points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import neg

from rag_core.extract.pdf.rules import Rule, Rules

_SNAP = 3.0  # lines closer than this are one: no cell is so small
_MAX_RULES = 400  # in one direction; more mean squared paper
_MAX_CELLS = 5_000

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Grid:
    """Column borders from left to right, row borders from top to bottom, and merged cells.

    `owner` maps each cell merged into another one to the first (row, column) of the merged cell.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    owner: dict[Cell, Cell]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.ys) - 1

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.xs) - 1

    def cell(self, x: float, y: float) -> Cell | None:
        """Return the (row, column) of the cell at a point, the first one of a merged cell; None outside."""
        column = bisect_right(self.xs, x) - 1
        row = bisect_right(self.ys, -y, key=neg) - 1
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return None
        return self.owner.get((row, column), (row, column))

    def spanning(self) -> set[Cell]:
        """Return the first cell of each cell merged over several columns."""
        return {first for cell, first in self.owner.items() if cell[1] != first[1]}

    def wide(self, row: int) -> bool:
        """Whether a row is one cell over the whole width."""
        return all(self.owner.get((row, c), (row, c)) == (row, 0) for c in range(self.columns))


def grids(found: Rules) -> list[Grid]:
    """Return every grid of at least two rows and two columns, from top to bottom."""
    across, down = _merged(found.across), _merged(found.down)
    if max(len(across), len(down)) > _MAX_RULES:
        return []
    made = [_grid(*part) for part in _connected(across, down)]
    return sorted((one for one in made if one is not None), key=lambda grid: -grid.ys[0])


def _merged(found: Iterable[Rule]) -> list[Rule]:
    """Merge the pieces of each line: cell borders are often drawn cell by cell, and twice."""
    lines: list[list[Rule]] = []
    for rule in sorted(found):
        if lines and rule.at - lines[-1][0].at <= _SNAP:
            lines[-1].append(rule)
        else:
            lines.append([rule])
    merged: list[Rule] = []
    for line in lines:
        first, *more = sorted(line, key=lambda one: one.start)
        at, start, end = first
        for rule in more:
            if rule.start > end + _SNAP:
                merged.append(Rule(at, start, end))
                at, start = rule.at, rule.start
            end = max(end, rule.end)
        merged.append(Rule(at, start, end))
    return merged


def _connected(across: list[Rule], down: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Group the lines that touch each other, directly or through others."""
    left = set(range(len(down)))
    waiting = set(range(len(across)))
    parts = []
    while waiting:
        mine, yours, new = set[int](), set[int](), {waiting.pop()}
        while new:
            mine |= new
            met = {v for v in left for h in new if _touch(across[h], down[v])}
            left -= met
            yours |= met
            new = {h for h in waiting for v in met if _touch(across[h], down[v])}
            waiting -= new
        if yours:
            parts.append(([across[h] for h in sorted(mine)], [down[v] for v in sorted(yours)]))
    return parts


def _touch(across: Rule, down: Rule) -> bool:
    return (
        across.start - _SNAP <= down.at <= across.end + _SNAP
        and down.start - _SNAP <= across.at <= down.end + _SNAP
    )


def _grid(across: list[Rule], down: list[Rule]) -> Grid | None:
    if len(across) + len(down) < 3:
        return None  # a cross: two axes
    # A table without a frame extends as far as its lines do.
    xs = _snapped([r.at for r in down] + [min(r.start for r in across), max(r.end for r in across)])
    ys = _snapped([r.at for r in across] + [min(r.start for r in down), max(r.end for r in down)])[::-1]
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or rows * columns > _MAX_CELLS:
        return None
    owner: dict[Cell, Cell] = {}
    borders = [[rule for rule in down if abs(rule.at - x) <= _SNAP] for x in xs]
    lines = [[rule for rule in across if abs(rule.at - y) <= _SNAP] for y in ys]
    for row in range(rows):
        for column in range(columns):
            x, y = (xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2
            if column and not _drawn(borders[column], y):
                _join(owner, (row, column - 1), (row, column))
            if row and not _drawn(lines[row], x):
                _join(owner, (row - 1, column), (row, column))
    return Grid(tuple(xs), tuple(ys), {cell: _first(owner, cell) for cell in owner})


def _snapped(values: list[float]) -> list[float]:
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > _SNAP:
            kept.append(value)
    return kept


def _drawn(lines: list[Rule], through: float) -> bool:
    return any(rule.start <= through <= rule.end for rule in lines)


def _first(owner: dict[Cell, Cell], cell: Cell) -> Cell:
    while cell in owner:
        cell = owner[cell]
    return cell


def _join(owner: dict[Cell, Cell], one: Cell, other: Cell) -> None:
    first, second = sorted((_first(owner, one), _first(owner, other)))
    if first != second:
        owner[second] = first
