"""Notes through which the worker and the app communicate."""

from __future__ import annotations

from rag_core.ledger.database import Database

PAUSED = "paused"  # why the worker waits
TARGET = "rebuild_target"  # the index that is being built
RETIRED = "rebuild_retired"  # the index that was replaced, until it is removed
WANTED = "reindex_wanted"  # a user requested a new index


class Notes(Database):
    """Named texts, each with the time when it was stored."""

    def note(self, name: str, value: str | None) -> None:
        """Store a note, or remove it (None)."""
        with self._write() as db:
            if value is None:
                db.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (name, value, self._clock()))

    def noted(self, name: str) -> str | None:
        """Return a note's text, or None."""
        rows = self._read("SELECT value FROM notes WHERE name = ?", (name,))
        return str(rows[0]["value"]) if rows else None
