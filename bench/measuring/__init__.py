"""Shared by all benchmarks: a table to read, JSON to compare, and a description of the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
console = Console(soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class Figure:
    """One measured value, the base it is compared with, and its target."""

    name: str
    value: float
    unit: str
    base: float | None = None
    aim: str = ""
    note: str = ""

    @property
    def ratio(self) -> str:
        """The value as a multiple of its base."""
        return f"{self.value / self.base:.3g} x" if self.base else ""


def machine() -> dict[str, str]:
    """Describe the machine that the figures were measured on."""
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    return {
        "processors": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(terse=True),
        "revision": revision,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def timed(act: Callable[[], object], times: int = 1) -> float:
    """Return the median seconds of `times` calls."""
    measured = []
    for _ in range(times):
        began = time.monotonic()
        act()
        measured.append(time.monotonic() - began)
    return statistics.median(measured)


def show(name: str, title: str, figures: Sequence[Figure], about: dict[str, str]) -> None:
    """Print the table and save the result."""
    table = Table(title=title, title_justify="left")
    for column in ("", "value", "ratio", "aim", "note"):
        table.add_column(column, justify="right" if column in ("value", "ratio") else "left")
    for figure in figures:
        shown = f"{figure.value:,.2f}" if figure.value < 100 else f"{figure.value:,.0f}"
        table.add_row(figure.name, f"{shown} {figure.unit}", figure.ratio, figure.aim, figure.note)
    console.print(table)
    keep(name, title, figures, about)


def keep(name: str, title: str, figures: Sequence[Figure], about: dict[str, str]) -> None:
    """Save the result with a description of the machine it was measured on."""
    console.print(", ".join(f"{key}: {value}" for key, value in about.items()), style="dim")
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"title": title, "machine": about, "figures": [asdict(figure) for figure in figures]}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
