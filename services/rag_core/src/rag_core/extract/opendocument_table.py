"""Tables of OpenDocument: repeated rows and columns, cells over several rows, values that have no text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from rag_core.extract.opendocument_names import OFFICE, TABLE, number
from rag_core.extract.rows import MAX_COLUMNS

# A row that is filled so often is filled by a program.
_MOST_REPEATS = 1_000
_HOLDERS = {f"{TABLE}{name}" for name in ("table-header-rows", "table-row-group", "table-rows")}
_REFERENCE = re.compile(r"\[([^\[\]]{1,200})\]")
_DURATION = re.compile(r"PT(\d{1,6})H(\d{1,2})M(\d{1,2})(?:[.,]\d{1,12})?S")


def rows(table: Any, text_of: Callable[[Any], str]) -> Iterator[list[str]]:
    """Each row; a cell over several rows appears in each of them."""
    below: dict[int, tuple[int, str]] = {}  # column -> the last row of a cell, and its text
    for index, row in enumerate(_rows(table)):
        cells: list[str] = []
        for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            text = text_of(cell) or value(cell)
            for _ in range(min(_repeated(cell, "columns"), MAX_COLUMNS - len(cells))):
                last, above = below.get(len(cells), (-1, ""))
                covered = cell.tag.endswith("}covered-table-cell") and last >= index
                if (spanned := number(cell.get(f"{TABLE}number-rows-spanned"), 1)) > 1:
                    below[len(cells)] = (index + spanned - 1, text)
                cells.append(above if covered else text)
        while cells and not cells[-1]:
            cells.pop()
        for _ in range(min(_repeated(row, "rows"), _MOST_REPEATS) if cells else 1):
            yield list(cells)


def value(cell: Any) -> str:
    """The value of a cell that some program wrote without its text; a formula that was never calculated."""
    text = cell.get(f"{OFFICE}value")
    match cell.get(f"{OFFICE}value-type"):
        case "percentage" if text and _is_number(text):
            return f"{float(text) * 100:.10g}%"
        case "currency" if text:
            return f"{text} {cell.get(f'{OFFICE}currency') or ''}".strip()
        case "float" if text:
            return str(text)
        case "date":
            return str(cell.get(f"{OFFICE}date-value") or "")
        case "time":
            return _DURATION.sub(r"\1:\2:\3", str(cell.get(f"{OFFICE}time-value") or ""))
        case "boolean":
            return str(cell.get(f"{OFFICE}boolean-value") or "").upper()
        case "string" if cell.get(f"{OFFICE}string-value"):
            return str(cell.get(f"{OFFICE}string-value"))
    return formula(cell)


def formula(cell: Any) -> str:
    """The formula as people write it: "of:=SUM([.B2:.B3])" is =SUM(B2:B3)."""
    written = str(cell.get(f"{TABLE}formula") or "")
    written = written[written.find("=") :] if "=" in written else written
    return _REFERENCE.sub(lambda found: found[1].removeprefix(".").replace(":.", ":"), written)


def uncalculated(table: Any) -> int:
    """How many formulas of a table have neither a value nor a text."""
    return sum(
        1
        for cell in table.iter(f"{TABLE}table-cell")
        if cell.get(f"{TABLE}formula")
        and not cell.get(f"{OFFICE}value-type")
        and not "".join(cell.itertext())
    )


def is_wide(table: Any) -> bool:
    """Whether a row has filled cells in more columns than are read."""
    return any(
        sum(_repeated(cell, "columns") for cell in row.iterchildren() if len(cell)) > MAX_COLUMNS
        for row in table.iter(f"{TABLE}table-row")
    )


def _rows(table: Any) -> Iterator[Any]:
    for one in table:
        if one.tag == f"{TABLE}table-row":
            yield one
        elif one.tag in _HOLDERS:
            yield from _rows(one)


def _repeated(element: Any, what: str) -> int:
    return number(element.get(f"{TABLE}number-{what}-repeated"), 1)


def _is_number(text: str) -> bool:
    try:
        return bool(float(text) < float("inf"))
    except ValueError:
        return False
