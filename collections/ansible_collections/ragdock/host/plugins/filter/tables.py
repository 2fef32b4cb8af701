"""Filters that make tables which can be read in Ansible's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

WIDEST = 64


def clipped(text: str) -> str:
    """A cell's text on one line, within the width."""
    line = " ".join(str(text).split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """Columns as wide as their widest cell, a rule below the head."""
    cells = [list(head), *([clipped(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def verify_table(rows: Sequence[dict[str, Any]]) -> str:
    """Each promise, held or not, and the figure."""
    return table(
        [[row["area"], row["promise"], "held" if row["held"] else "NOT HELD", row["figure"]] for row in rows],
        ["area", "promise", "", "figure"],
    )


def verify_broken(rows: Sequence[dict[str, Any]]) -> str:
    """What is not held, in full, and what to do about each."""
    broken = [row for row in rows if not row["held"]]
    parts = [f"{row['area']}: {row['promise']}: {row['figure']}\n  -> {row['hint']}" for row in broken]
    return "\n".join([f"{len(broken)} of {len(rows)} promises are not held:", *parts])


class FilterModule:
    """Names of the filters."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """For Ansible."""
        return {"plain_table": table, "verify_table": verify_table, "verify_broken": verify_broken}
