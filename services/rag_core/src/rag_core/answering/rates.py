"""How fast each chat model reads a prompt on this host, as it reported with its latest answers."""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque

_LATEST = 9  # answers of each model; their median is not moved by one that waited for a busy processor
_LEAST_TOKENS = 80  # read anew; of fewer the time says little


class ReadingRates:
    """Tokens a second by model, in the tokens of our own estimate (`prompt.tokens`); safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, deque[float]] = {}

    def note(self, model: str, tokens: float, seconds: float) -> None:
        """A model has read so many tokens, without those it still knew, in so many seconds."""
        if tokens < _LEAST_TOKENS or seconds <= 0:
            return
        with self._lock:
            self._latest.setdefault(model, deque(maxlen=_LATEST)).append(tokens / seconds)

    def rate(self, model: str) -> float | None:
        """Tokens a second; None before the model has read anything."""
        with self._lock:
            latest = self._latest.get(model)
            return statistics.median(latest) if latest else None

    def tokens_in(self, model: str, seconds: float) -> float:
        """How many tokens the model reads in that time; without end when its rate is not known."""
        rate = self.rate(model)
        return math.inf if rate is None else rate * seconds

    def seconds_of(self, model: str, tokens: float) -> float | None:
        """How long the model reads so many tokens; None when its rate is not known."""
        rate = self.rate(model)
        return None if rate is None else tokens / rate
