"""Reads ready documents into a new index while the old one goes on serving them."""

from __future__ import annotations

from pathlib import Path

from rag_core.ledger.database import SELECT, as_document, bump
from rag_core.ledger.notes import TARGET
from rag_core.ledger.work import Job, Work
from rag_core.models import ReadingReport

_STALE = "state = 'ready' AND home IS NOT ?"


class Rebuilding(Work):
    """Claims and progress as for new documents, but the document stays ready throughout."""

    def begin_rebuild(self, target: str) -> None:
        """Begin to fill the empty index `target` with every ready document."""
        with self._write() as db:
            # A restored index may have had this name before.
            db.execute("UPDATE documents SET home = NULL WHERE home = ?", (target,))
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (TARGET, target, self._clock()))

    def changed(self) -> None:
        """Record that another index serves, so that search results may differ."""
        with self._write() as db:
            bump(db)

    def stale(self, target: str) -> int:
        """Return how many ready documents are not in the index `target` yet."""
        return int(self._read(f"SELECT count(*) AS many FROM documents WHERE {_STALE}", (target,))[0]["many"])  # noqa: S608

    def claim_stale(self, owner: str, lease_seconds: float, target: str) -> Job | None:
        """Claim the next ready document that is not in `target` yet."""
        now = self._clock()
        with self._write() as db:
            row = db.execute(
                f"SELECT id, path FROM documents WHERE {_STALE} AND lease_until < ?"  # noqa: S608 - constant
                " ORDER BY created_at, rowid LIMIT 1",
                (target, now),
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE documents SET lease_owner=?, lease_until=? WHERE id=?",
                (owner, now + lease_seconds, row["id"]),
            )
            claimed = db.execute(SELECT + " WHERE d.id = ?", (row["id"],)).fetchone()
            return Job(document=as_document(claimed), path=Path(row["path"]))

    def keep(self, document_id: str, owner: str, *, lease_seconds: float) -> bool:
        """Renew the lease; False: a user has deleted the document meanwhile."""
        return self._held(
            document_id, owner, "lease_until=?", (self._clock() + lease_seconds,), states=("ready",)
        )

    def moved(
        self, document_id: str, owner: str, *, pages: int, chunks: int, home: str, report: ReadingReport
    ) -> bool:
        """Record that all chunks of the document are in the index `home`, too."""
        return self._held(
            document_id,
            owner,
            "home=?, report=?, pages=?, pages_done=?, chunks=?, attempts=0, lease_owner=NULL, lease_until=0",
            (home, report.model_dump_json(), pages, pages, chunks),
            states=("ready",),
        )

    def unmoved(self, document_id: str, owner: str) -> bool:
        """Put the document back, because the worker stops or a dependency is down."""
        return self._held(document_id, owner, "lease_owner=NULL, lease_until=0", (), states=("ready",))

    def lost(self, document_id: str, owner: str, *, code: str, reason: str) -> bool:
        """Mark the document as failed, because its stored file can no longer be read."""
        return self._held(
            document_id,
            owner,
            "state='failed', code=?, reason=?, lease_owner=NULL, lease_until=0, updated_at=?",
            (code, reason, self._clock()),
            states=("ready",),
        )
