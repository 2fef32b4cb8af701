"""Sessions that were ended early, stored in the ledger's file, so that a restart does not revive them."""

from rag_core.ledger.store import Store


class EndedSessions(Store):
    """Ids of ended sessions, kept until they would have expired; two containers may share them."""

    tables = "CREATE TABLE IF NOT EXISTS ended_sessions (id TEXT PRIMARY KEY, until REAL NOT NULL)"

    def add(self, session_id: str, seconds: float) -> None:
        """End a session; its id is kept for `seconds`, after which its cookie has expired anyway."""
        now = self._clock()
        with self._write() as db:
            db.execute("DELETE FROM ended_sessions WHERE until <= ?", (now,))
            db.execute("INSERT OR REPLACE INTO ended_sessions VALUES (?, ?)", (session_id, now + seconds))

    def __contains__(self, session_id: str) -> bool:
        return bool(self._read("SELECT 1 FROM ended_sessions WHERE id = ?", (session_id,)))
