"""How fast each chat model reads a prompt, as its latest answers showed.

A model on this host reports it, and each number of threads (`Chat.reader`) has its own rate. Of one
elsewhere it is the time until its first word.
"""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque

_LATEST = 9  # answers of each model; their median is not moved by one that waited for a busy processor
_LEAST_TOKENS = 80  # read anew; of fewer the time says little


Reader = tuple[str, int]


class ReadingRates:
    """Tokens a second, in the tokens of our own estimate (`prompt.tokens`); safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[Reader, deque[float]] = {}

    def note(self, reader: Reader, tokens: float, seconds: float) -> None:
        """A model has read so many tokens, without those it still knew, in so many seconds."""
        if tokens < _LEAST_TOKENS or seconds <= 0:
            return
        with self._lock:
            self._latest.setdefault(reader, deque(maxlen=_LATEST)).append(tokens / seconds)

    def rate(self, reader: Reader) -> float | None:
        """Tokens a second; None before the model has read anything."""
        with self._lock:
            latest = self._latest.get(reader)
            return statistics.median(latest) if latest else None

    def tokens_in(self, reader: Reader, seconds: float) -> float:
        """How many tokens the model reads in that time; without end when its rate is not known."""
        rate = self.rate(reader)
        return math.inf if rate is None else rate * seconds

    def seconds_of(self, reader: Reader, tokens: float) -> float | None:
        """How long the model reads so many tokens; None when its rate is not known."""
        rate = self.rate(reader)
        return None if rate is None else tokens / rate
