"""Chooses the number of threads for a model: the one measured to be fastest on this host.

One thread per processor is fastest as long as nothing else needs a processor. The threads wait for each other
at every step, so one that has to share its processor slows down all of them, up to thirtyfold
(docs/decisions/0100-threads.md). So a count that was slower than another is set aside for a while.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

NOTE = "threads "  # and the model's name
_PROMPT, _ANSWER = 600, 100  # tokens of a typical answer
_LEAST_READ, _LEAST_WRITTEN = 80, 6  # tokens; with fewer the time is not meaningful
_ASIDE = 60.0  # seconds for which a count is set aside; doubled each further time
_LONGEST_ASIDE = 86_400.0


class Notes(Protocol):
    """Where measurements are kept for the next start, for example `ledger.notes`."""

    def note(self, name: str, value: str | None) -> None:
        """Store a note."""
        ...

    def noted(self, name: str) -> str | None:
        """Return a note's text."""
        ...


class Threads:
    """Chooses among some counts; thread-safe. With one count there is nothing to choose."""

    def __init__(
        self,
        counts: Sequence[int],
        notes: Notes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = tuple(sorted(counts))
        self._notes = notes
        self._clock = clock
        self._lock = threading.Lock()
        # Model -> count -> seconds of a typical answer, as last measured.
        self._seconds: dict[str, dict[int, float]] = {}
        self._aside: dict[int, tuple[float, float]] = {}  # until when, and for how long

    def untried(self, model: str) -> tuple[int, ...]:
        """Return the counts never measured for this model, not even before the last start."""
        with self._lock:
            if model not in self._seconds:
                self._recall(model)
            return tuple(count for count in self.counts if count not in self._seconds.get(model, {}))

    def of(self, model: str) -> int:
        """Return the count for the model's next answer."""
        with self._lock:
            seconds = self._seconds.get(model) or next(iter(self._seconds.values()), {})
            free = [count for count in self.counts if self._until(count) <= self._clock()]
            # A count that was set aside and is due again is tried first, since its measurement is outdated.
            due = [count for count in free if count in self._aside]
            if due:
                return due[-1]
            return min(free or self.counts, key=lambda count: seconds.get(count, float("inf")))

    def note(self, model: str, count: int, read: tuple[int, float], written: tuple[int, float]) -> None:
        """Record what an answer took: tokens and seconds of reading and of writing."""
        if read[0] < _LEAST_READ or written[0] < _LEAST_WRITTEN:
            return
        seconds = _PROMPT * read[1] / read[0] + _ANSWER * written[1] / written[0]
        with self._lock:
            known = self._seconds.setdefault(model, {})
            known[count] = seconds
            if min(known.values()) < seconds:
                self._put_aside(count)
            else:
                self._aside.pop(count, None)
            said = json.dumps(known)
        if self._notes is not None:
            self._notes.note(f"{NOTE}{model}", said)

    def hung(self, count: int) -> None:
        """Record that an answer was not written before its timeout."""
        with self._lock:
            self._put_aside(count)

    def _recall(self, model: str) -> None:
        said = self._notes.noted(f"{NOTE}{model}") if self._notes is not None else None
        if said is None:
            return
        known = {int(count): float(seconds) for count, seconds in json.loads(said).items()}
        self._seconds[model] = {count: known[count] for count in self.counts if count in known}
        # The host may have been busy then, so a slower count is only set aside.
        for count, seconds in self._seconds[model].items():
            if min(self._seconds[model].values()) < seconds:
                self._put_aside(count)

    def _until(self, count: int) -> float:
        return self._aside.get(count, (0.0, 0.0))[0]

    def _put_aside(self, count: int) -> None:
        _, before = self._aside.get(count, (0.0, _ASIDE / 2))
        lasting = min(2 * before, _LONGEST_ASIDE)
        self._aside[count] = (self._clock() + lasting, lasting)
