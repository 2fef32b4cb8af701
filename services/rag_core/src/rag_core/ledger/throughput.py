"""How fast documents are read, how long the rest will take, and running totals."""

from __future__ import annotations

from collections.abc import Mapping

from rag_core.ledger.notes import PAUSED, TARGET, Notes
from rag_core.ledger.priority import PriorityGate
from rag_core.models import Ingestion

_STRETCH = 10.0
_WINDOW = 300.0  # rates are those of the last five minutes
_KEPT = 3600.0
# Average bytes per chunk, until this ledger's own documents give a better estimate.
_BYTES_OF_CHUNK = 1200.0

# Names of the running totals.
WORDS_SEEN = "words_seen"  # words that parsers yielded
WORDS_LOST = "words_lost"  # of these, words in no chunk


class Throughput(Notes, PriorityGate):
    """Work done in the last minutes, work left, and the time it will take."""

    def worked(self, *, documents: int = 0, pages: int = 0, chunks: int = 0) -> None:
        """Count completed work."""
        now = self._clock()
        with self._write() as db:
            db.execute(
                "INSERT INTO work VALUES (?, ?, ?, ?) ON CONFLICT (stretch) DO UPDATE SET"
                " documents = documents + excluded.documents, pages = pages + excluded.pages,"
                " chunks = chunks + excluded.chunks",
                (int(now / _STRETCH), documents, pages, chunks),
            )
            db.execute("DELETE FROM work WHERE stretch < ?", (int((now - _KEPT) / _STRETCH),))

    def tally(self, more: Mapping[str, int]) -> None:
        """Add to running totals."""
        with self._write() as db:
            for name, number in more.items():
                db.execute(
                    "INSERT INTO counters VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (name, number),
                )

    def tallied(self, name: str) -> int:
        """A running total."""
        rows = self._read("SELECT value FROM counters WHERE name = ?", (name,))
        return int(rows[0]["value"]) if rows else 0

    def ingestion(self) -> Ingestion:
        """Return the progress: what is left, the rate, and the time left."""
        now = self._clock()
        since = int((now - _WINDOW) / _STRETCH)
        rates = self._read(
            "SELECT coalesce(sum(documents), 0) AS documents, coalesce(sum(pages), 0) AS pages,"
            " coalesce(sum(chunks), 0) AS chunks, count(*) AS stretches, max(stretch) AS last"
            " FROM work WHERE stretch > ?",
            (since,),
        )[0]
        left = self._read(
            "SELECT count(*) AS documents, coalesce(sum(size), 0) AS bytes,"
            " coalesce(sum(CASE WHEN state = 'processing' THEN pages END), 0) AS pages,"
            " coalesce(sum(CASE WHEN state = 'processing' THEN pages_done END), 0) AS pages_done,"
            " coalesce(sum(CASE WHEN state = 'processing' THEN chunks END), 0) AS chunks_done"
            " FROM documents WHERE state IN ('queued', 'processing')"
        )[0]
        known = self._read(
            "SELECT kind, sum(size) * 1.0 / sum(chunks) AS bytes FROM documents"
            " WHERE state = 'ready' AND chunks > 0 GROUP BY kind"
        )
        waiting = self._read(
            "SELECT kind, sum(size) AS bytes FROM documents"
            " WHERE state IN ('queued', 'processing') GROUP BY kind"
        )
        of_kind = {row["kind"]: float(row["bytes"]) for row in known}
        guess = sum(row["bytes"] / of_kind.get(row["kind"], _BYTES_OF_CHUNK) for row in waiting)
        chunks_left = max(0.0, guess - left["chunks_done"])
        seconds = rates["stretches"] * _STRETCH
        # Rates of long ago are not valid now.
        alive = bool(rates["stretches"]) and now - rates["last"] * _STRETCH < 6 * _STRETCH
        pace = rates["chunks"] / seconds if alive and left["documents"] else 0.0
        target = self.noted(TARGET)
        return Ingestion(
            documents_left=left["documents"],
            pages_in_hand=left["pages"],
            pages_in_hand_done=left["pages_done"],
            chunks_left=round(chunks_left),
            documents_per_minute=_a_minute(rates["documents"], seconds if alive else 0),
            pages_per_minute=_a_minute(rates["pages"], seconds if alive else 0),
            chunks_per_minute=_a_minute(rates["chunks"], seconds if alive else 0),
            seconds_left=round(chunks_left / pace) if pace else None,
            paused=self.noted(PAUSED),
            questions_first=self.questions(),
            rebuilding=self._stale(target) if target else None,
        )

    def _stale(self, target: str) -> int:
        rows = self._read(
            "SELECT count(*) AS many FROM documents WHERE state = 'ready' AND home IS NOT ?", (target,)
        )
        return int(rows[0]["many"])


def _a_minute(many: int, seconds: float) -> float:
    return round(many * 60 / seconds, 1) if seconds else 0.0
