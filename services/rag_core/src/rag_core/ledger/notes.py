"""Notes that the worker and the app leave for each other."""

from __future__ import annotations

from rag_core.ledger.database import Database

PAUSED = "paused"  # why the worker waits
TARGET = "rebuild_target"  # the index that is being made
RETIRED = "rebuild_retired"  # the index whose place was taken, until it is removed
WANTED = "reindex_wanted"  # a person asked for a new index


class Notes(Database):
    """Named texts, each with the time when it was left."""

    def note(self, name: str, value: str | None) -> None:
        """Leave a note, or take it away."""
        with self._write() as db:
            if value is None:
                db.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (name, value, self._clock()))

    def noted(self, name: str) -> str | None:
        """What a note says."""
        rows = self._read("SELECT value FROM notes WHERE name = ?", (name,))
        return str(rows[0]["value"]) if rows else None
