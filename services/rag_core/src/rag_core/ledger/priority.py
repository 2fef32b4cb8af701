"""The gate that lets interactive requests go first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from rag_core.ledger.database import Database

T = TypeVar("T")

# How long a question of a killed process can delay ingestion. Longer than three models (chosen, fallback,
# large) that each hit the 120 s of OLLAMA_TIMEOUT_SECONDS; otherwise ingestion would resume during the last.
_ASKING_SECONDS = 480.0


class PriorityGate(Database):
    """Tracks questions that are waiting for the models; ingestion pauses while there are any."""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Mark a question as waiting for the models, so that ingestion lets it go first."""
        token = uuid.uuid4().hex
        with self._write() as db:
            db.execute("INSERT INTO asking VALUES (?, ?)", (token, self._clock() + _ASKING_SECONDS))
        try:
            yield
        finally:
            with self._write() as db:
                db.execute("DELETE FROM asking WHERE token = ? OR until < ?", (token, self._clock()))

    def first(self, events: Iterator[T]) -> Iterator[T]:
        """Yield the events, with ingestion paused meanwhile."""
        with self.asking():
            yield from events

    def questions(self) -> int:
        """Return how many questions are waiting for the models."""
        return int(
            self._read("SELECT count(*) AS many FROM asking WHERE until > ?", (self._clock(),))[0]["many"]
        )
