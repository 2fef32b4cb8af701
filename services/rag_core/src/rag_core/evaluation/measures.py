"""The measures, each over one ranking: True where the passage of that rank is right."""

from __future__ import annotations

import math
from collections.abc import Sequence


def hit(right: Sequence[bool], k: int) -> float:
    """1 if one of the first k is right, else 0."""
    return float(any(right[:k]))


def reciprocal_rank(right: Sequence[bool], k: int = 10) -> float:
    """1 / rank of the first right one among the first k; 0 if there is none."""
    return next((1 / rank for rank, is_right in enumerate(right[:k], 1) if is_right), 0.0)


def ndcg(right: Sequence[bool], k: int = 10, *, relevant: int = 0) -> float:
    """Discounted gain divided by that of the ideal ranking: everything relevant first, found or not.

    `relevant` is the least number of right ones; the first k may hold more. What is ranked below k does not
    count; otherwise the same order would score lower the more of it is returned.
    """
    best = _gain([True] * min(k, max(relevant, sum(right[:k]))))
    return _gain(right[:k]) / best if best else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def _gain(right: Sequence[bool]) -> float:
    return sum(1 / math.log2(rank + 1) for rank, is_right in enumerate(right, 1) if is_right)
