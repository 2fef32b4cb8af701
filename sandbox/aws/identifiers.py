"""Identifiers that a replay draws again.

moto draws all of them from one random source. Requests run in threads of their own, and
even one that only looks draws (its request id): drawing from one shared sequence would
move the others' identifiers. So each thread draws from its own sequence.
"""

from __future__ import annotations

import random
import threading
from typing import Any


class Sequences(threading.local):
    """The sequence of the calling thread."""

    def __init__(self) -> None:
        """Begin anywhere; a request that changes something seeds its thread's own."""
        self.source = random.Random()  # noqa: S311


def separate(shared: Any) -> None:
    """Let `shared`, the random source that all of moto uses, draw by thread."""
    sequences = Sequences()

    class Separate(type(shared)):  # type: ignore[misc]
        """moto's source, whose draws go to the thread's own sequence."""

        def seed(self, *args: Any) -> None:
            sequences.source.seed(*args)

        def random(self) -> float:
            return sequences.source.random()

        def getrandbits(self, k: int) -> int:
            return sequences.source.getrandbits(k)

    shared.__class__ = Separate
