"""Tables that can be read in Ansible's output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDEST = 64


def clipped(text: Any) -> str:
    """A cell's text on one line, within the width."""
    line = " ".join(str(text).split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row; columns as wide as their widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """The rows below their head and a rule."""
    cells = [list(head), *([clipped(cell) for cell in row] for row in rows)]
    rule = ["-" * max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(columns([cells[0], rule, *cells[1:]]))
