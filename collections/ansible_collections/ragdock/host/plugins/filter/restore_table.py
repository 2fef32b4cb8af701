"""A filter that makes a table which can be read in Ansible's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """Columns as wide as their widest cell, a rule below the head."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


class FilterModule:
    """Names of the filters."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """For Ansible."""
        return {"restore_table": table}
