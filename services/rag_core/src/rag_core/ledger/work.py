"""The worker's side of the ledger: claims with a lease, progress, and how a claim ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from rag_core.ledger.database import SELECT, as_document, bump, drop_replaced
from rag_core.ledger.reading import Reading
from rag_core.models import Document, Frozen, ReadingReport

# A document is given up after the worker was killed this many times while processing it.
MAX_CRASHES = 10
BACKOFF_SECONDS = (10.0, 60.0, 300.0)


class Job(Frozen):
    """A document that the worker has claimed, and the file to read."""

    document: Document
    path: Path
    fresh: bool = False  # no worker ever claimed it, so nothing of it can be in the index


class Work(Reading):
    """Claims and their outcomes; each call only works for the owner of the lease."""

    def claim(self, owner: str, lease_seconds: float, *, only_deletions: bool = False) -> Job | None:
        """Claim the next piece of work: deletions first, then the oldest document that is due."""
        now = self._clock()
        with self._write() as db:
            db.execute(
                "UPDATE documents SET state='failed', code='worker_stopped', updated_at=?,"
                " reason='the worker was stopped ' || crashes || ' times while it read this file;"
                " try again, and if it happens once more the file is likely the cause'"
                " WHERE state='processing' AND lease_until < ? AND crashes >= ?",
                (now, now, MAX_CRASHES),
            )
            row = db.execute(
                "SELECT id, state, path, touched FROM documents"
                " WHERE (state = 'deleting' AND lease_until < ?)"
                " OR (? AND ((state = 'processing' AND lease_until < ?)"
                " OR (state = 'queued' AND not_before <= ?)))"
                " ORDER BY state != 'deleting', created_at, rowid LIMIT 1",
                (now, not only_deletions, now, now),
            ).fetchone()
            if row is None:
                return None
            if row["state"] == "processing":
                db.execute("UPDATE documents SET crashes = crashes + 1 WHERE id = ?", (row["id"],))
            db.execute(
                "UPDATE documents SET lease_owner=?, lease_until=?, updated_at=?, pages_done=0, touched=1,"
                " state=CASE state WHEN 'deleting' THEN 'deleting' ELSE 'processing' END WHERE id=?",
                (owner, now + lease_seconds, now, row["id"]),
            )
            claimed = db.execute(SELECT + " WHERE d.id = ?", (row["id"],)).fetchone()
            return Job(document=as_document(claimed), path=Path(row["path"]), fresh=not row["touched"])

    def progress(
        self,
        document_id: str,
        owner: str,
        *,
        lease_seconds: float,
        pages: int | None,
        pages_done: int,
        chunks: int,
    ) -> bool:
        """Report progress and renew the lease; False: the document is no longer this worker's."""
        now = self._clock()
        return self._held(
            document_id,
            owner,
            "pages=coalesce(?, pages), pages_done=?, chunks=?, lease_until=?, updated_at=?",
            (pages, pages_done, chunks, now + lease_seconds, now),
        )

    def ready(
        self,
        document_id: str,
        owner: str,
        *,
        pages: int,
        chunks: int,
        home: str | None = None,
        report: ReadingReport | None = None,
    ) -> bool:
        """Mark the document as ready; what it replaces is removed in the same transaction."""
        now = self._clock()
        return self._held(
            document_id,
            owner,
            "state='ready', code=NULL, reason=NULL, pages=?, pages_done=?, chunks=?, attempts=0, crashes=0,"
            " lease_owner=NULL, lease_until=0, home=?, report=?, updated_at=?",
            (pages, pages, chunks, home, report.model_dump_json() if report else None, now),
            after=lambda db: _switch(db, document_id, now),
        )

    def fail(self, document_id: str, owner: str, *, code: str, reason: str, retryable: bool = False) -> bool:
        """Mark the document as failed with its reason, or queue it for a later retry if that may help."""
        now = self._clock()
        with self._lock:
            attempts = self.find(document_id)
            used = (attempts.attempts if attempts else 0) + 1
            again = retryable and used < self._max_attempts
            wait = BACKOFF_SECONDS[min(used, len(BACKOFF_SECONDS)) - 1]
            return self._held(
                document_id,
                owner,
                "state=?, code=?, reason=?, attempts=?, not_before=?, lease_owner=NULL, lease_until=0,"
                " updated_at=?",
                ("queued" if again else "failed", code, reason, used, now + wait if again else 0, now),
            )

    def release(self, document_id: str, owner: str) -> bool:
        """Put the document back, as the worker stops or a dependency is down; uses up no attempt."""
        return self._held(
            document_id,
            owner,
            "state=CASE state WHEN 'processing' THEN 'queued' ELSE state END, pages_done=0,"
            " lease_owner=NULL, lease_until=0, updated_at=?",
            (self._clock(),),
            states=("processing", "deleting"),
        )

    def take_over(self) -> int:
        """End every lease. For the only worker at its start: earlier owners are gone."""
        with self._write() as db:
            return db.execute(
                "UPDATE documents SET lease_until=0"
                " WHERE state IN ('processing', 'deleting', 'ready') AND lease_until > 0"
            ).rowcount

    def deleted(self, document_id: str, owner: str, remove: Callable[[Sequence[Path]], None]) -> bool:
        """Finish a deletion; `remove` deletes the files in the same transaction, or neither happens."""
        with self._write() as db:
            row = db.execute(
                "SELECT path FROM documents WHERE id=? AND lease_owner=? AND state='deleting'",
                (document_id, owner),
            ).fetchone()
            if row is None:
                return False
            sources = db.execute("SELECT path FROM files WHERE document_id = ?", (document_id,)).fetchall()
            paths = dict.fromkeys([row["path"], *(s["path"] for s in sources)])
            # An edited file has the same path as the content it replaced: keep it for the new content.
            remove([Path(p) for p in paths if p and not _used_by_others(db, p, document_id)])
            db.execute("DELETE FROM names WHERE document_id = ?", (document_id,))
            db.execute("DELETE FROM files WHERE document_id = ?", (document_id,))
            db.execute(
                "UPDATE documents SET state='deleted', lease_owner=NULL, lease_until=0, chunks=0,"
                " updated_at=?"
                " WHERE id=?",
                (self._clock(), document_id),
            )
            bump(db)
            return True

    def _held(
        self,
        document_id: str,
        owner: str,
        assignments: str,
        values: tuple[object, ...],
        *,
        states: tuple[str, ...] = ("processing",),
        after: Callable[[sqlite3.Connection], None] | None = None,
    ) -> bool:
        marks = ",".join("?" * len(states))
        with self._write() as db:
            done = db.execute(
                f"UPDATE documents SET {assignments} WHERE id=? AND lease_owner=? AND state IN ({marks})",  # noqa: S608 - constants
                (*values, document_id, owner, *states),
            ).rowcount
            if done and after:
                after(db)
            return bool(done)


def _used_by_others(db: sqlite3.Connection, path: str, document_id: str) -> bool:
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM documents WHERE path = ? AND id != ? AND state != 'deleted')"
        " OR EXISTS (SELECT 1 FROM files WHERE path = ? AND document_id != ?)",
        (path, document_id, path, document_id),
    ).fetchone()
    return bool(found[0])


def _switch(db: sqlite3.Connection, document_id: str, now: float) -> None:
    drop_replaced(db, document_id, now)
    bump(db)
