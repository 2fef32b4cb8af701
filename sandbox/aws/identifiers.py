"""Makes identifiers reproducible in a replay.

moto draws all identifiers from one random source. Requests run in threads of their own,
and even a read-only request draws one (its request id), which would shift the identifiers
of other requests in a shared sequence. So each thread draws from its own sequence.
"""

from __future__ import annotations

import random
import threading
from typing import Any


class Sequences(threading.local):
    """The sequence of the calling thread."""

    def __init__(self) -> None:
        """Start with any seed; a request that changes something seeds the sequence of its thread."""
        self.source = random.Random()  # noqa: S311


def separate(shared: Any) -> None:
    """Make `shared`, the random source that all of moto uses, draw from a sequence per thread."""
    sequences = Sequences()

    class Separate(type(shared)):  # type: ignore[misc]
        """moto's random source, drawing from the thread's own sequence."""

        def seed(self, *args: Any) -> None:
            sequences.source.seed(*args)

        def random(self) -> float:
            return sequences.source.random()

        def getrandbits(self, k: int) -> int:
            return sequences.source.getrandbits(k)

    shared.__class__ = Separate
