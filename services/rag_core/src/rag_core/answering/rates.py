"""How fast each chat model reads a prompt, measured on its latest answers.

A model on this host reports it, and each number of threads (`Chat.reader`) has its own rate. For a model
elsewhere, the time until its first word is used.
"""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque

_LATEST = 9  # answers of each model; the median is not affected by one that waited for a busy processor
_LEAST_TOKENS = 80  # not cached; with fewer the time is not meaningful


Reader = tuple[str, int]


class ReadingRates:
    """Tokens per second, counted by our own estimate (`prompt.tokens`); thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[Reader, deque[float]] = {}

    def note(self, reader: Reader, tokens: float, seconds: float) -> None:
        """Record how many tokens, cached ones excluded, a model read in how many seconds."""
        if tokens < _LEAST_TOKENS or seconds <= 0:
            return
        with self._lock:
            self._latest.setdefault(reader, deque(maxlen=_LATEST)).append(tokens / seconds)

    def rate(self, reader: Reader) -> float | None:
        """Return the tokens per second; None before the model has read anything."""
        with self._lock:
            latest = self._latest.get(reader)
            return statistics.median(latest) if latest else None

    def tokens_in(self, reader: Reader, seconds: float) -> float:
        """Return how many tokens the model reads in that time; infinite when its rate is unknown."""
        rate = self.rate(reader)
        return math.inf if rate is None else rate * seconds

    def seconds_of(self, reader: Reader, tokens: float) -> float | None:
        """Return how long the model takes to read these tokens; None when its rate is unknown."""
        rate = self.rate(reader)
        return None if rate is None else tokens / rate
