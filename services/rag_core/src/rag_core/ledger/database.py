"""The ledger's tables, and the row operations that its parts share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rag_core.ledger import schema
from rag_core.ledger.store import Store
from rag_core.models import Document, DocumentKind, DocumentState, ReadingReport

SELECT = """
    SELECT d.*, (SELECT group_concat(name, char(0)) FROM
        (SELECT DISTINCT name FROM names n WHERE n.document_id = d.id ORDER BY n.rowid)) AS all_names
    FROM documents d
"""


class Database(Store):
    """The ledger's own tables, migrated to the newest of their numbered steps."""

    def __init__(self, path: Path, *, max_attempts: int = 3, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, clock=clock)
        self._max_attempts = max_attempts

    def _prepare(self, db: sqlite3.Connection) -> None:
        schema.migrate(db)


def bump(db: sqlite3.Connection) -> None:
    db.execute("UPDATE counters SET value = value + 1 WHERE name = 'generation'")


def requeue(db: sqlite3.Connection, document_id: str, now: float, *, only: str) -> None:
    db.execute(
        "UPDATE documents SET state='queued', code=NULL, reason=NULL, attempts=0, crashes=0, not_before=0,"  # noqa: S608
        f" report=NULL, pages_done=0, lease_owner=NULL, lease_until=0, updated_at=? WHERE id=? AND {only}",
        (now, document_id),
    )


# What this content replaces, and, if a newer one is waiting to replace both, what came before it.
_REPLACED = """
    SELECT old.rowid AS place, old.document_id FROM names old
    LEFT JOIN names own ON own.document_id = :by AND own.replaced_by = old.replaced_by
        AND own.name = old.name AND own.source = old.source AND own.rowid > old.rowid
    WHERE old.document_id != :by AND (old.replaced_by = :by OR own.document_id IS NOT NULL)
"""


def drop_replaced(db: sqlite3.Connection, by: str, now: float) -> None:
    gone = db.execute(_REPLACED, {"by": by}).fetchall()
    for row in gone:
        db.execute("DELETE FROM names WHERE rowid = ?", (row["place"],))
    delete_nameless(db, [row["document_id"] for row in gone], now)


def delete_nameless(db: sqlite3.Connection, docs: Sequence[str], now: float) -> None:
    for doc in docs:
        db.execute(
            "UPDATE documents SET state='deleting', lease_owner=NULL, lease_until=0, updated_at=? WHERE id=?"
            " AND state != 'deleted' AND NOT EXISTS (SELECT 1 FROM names WHERE document_id = documents.id)",
            (now, doc),
        )


def as_document(row: sqlite3.Row) -> Document:
    names = tuple(row["all_names"].split("\0")) if row["all_names"] else ()
    return Document(
        id=row["id"],
        name=names[0] if names else row["id"],
        names=names,
        kind=DocumentKind(row["kind"]),
        state=DocumentState(row["state"]),
        code=row["code"],
        reason=row["reason"],
        pages=row["pages"],
        pages_done=row["pages_done"],
        chunks=row["chunks"],
        size=row["size"],
        sha256=row["sha256"],
        attempts=row["attempts"],
        report=ReadingReport.model_validate_json(row["report"]) if row["report"] else None,
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        updated_at=datetime.fromtimestamp(row["updated_at"], UTC),
    )
