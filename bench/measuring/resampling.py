"""How far a difference between two ways may be from chance: resamples of the questions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

RESAMPLES = 2000
T = TypeVar("T")


def resampled(items: Sequence[T]) -> Iterator[list[T]]:
    """Yield as many items as there are, drawn with replacement, RESAMPLES times; the same in each run."""
    draw = random.Random(7)  # noqa: S311 - a drawing of questions
    for _ in range(RESAMPLES):
        yield draw.choices(items, k=len(items))


def interval(values: Sequence[float]) -> str:
    """Return between which values 95 % of all RESAMPLES values are: the bootstrap interval."""
    ordered = sorted(values)
    return f"95 %: {ordered[50]:+.3f} to {ordered[1949]:+.3f}"
