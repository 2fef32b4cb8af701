"""The gate that lets interactive requests go first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from rag_core.ledger.database import Database

T = TypeVar("T")

# A question of a process that was killed delays ingestion for so long at most. Longer than three models
# (chosen, fallback, large) that each run into the 120 s of OLLAMA_TIMEOUT_SECONDS, or ingestion would go on
# beside the last.
_ASKING_SECONDS = 480.0


class PriorityGate(Database):
    """Questions that wait for the models now; ingestion pauses while there is one."""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While this is open a person waits for the models, and ingestion lets them go first."""
        token = uuid.uuid4().hex
        with self._write() as db:
            db.execute("INSERT INTO asking VALUES (?, ?)", (token, self._clock() + _ASKING_SECONDS))
        try:
            yield
        finally:
            with self._write() as db:
                db.execute("DELETE FROM asking WHERE token = ? OR until < ?", (token, self._clock()))

    def first(self, events: Iterator[T]) -> Iterator[T]:
        """The same events, with ingestion paused while they come."""
        with self.asking():
            yield from events

    def questions(self) -> int:
        """How many people wait for the models now."""
        return int(
            self._read("SELECT count(*) AS many FROM asking WHERE until > ?", (self._clock(),))[0]["many"]
        )
