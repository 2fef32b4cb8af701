"""Queries of the ledger, and what users can do with a document."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rag_core.errors import DocumentNotFound
from rag_core.ledger.database import SELECT, Database, as_document, bump, requeue
from rag_core.models import Document, DocumentState


class Reading(Database):
    """Looks up, lists, counts, deletes and retries documents."""

    def find(self, document_id: str) -> Document | None:
        """Return the document, or None if it is unknown or deleted."""
        rows = self._read(SELECT + " WHERE d.id = ? AND d.state != 'deleted'", (document_id,))
        return as_document(rows[0]) if rows else None

    def get(self, document_id: str) -> Document:
        """Return the document; raises DocumentNotFound if it is unknown or deleted."""
        document = self.find(document_id)
        if document is None:
            raise DocumentNotFound(f"there is no document {document_id!r}; the list shows all ids")
        return document

    def list(
        self,
        *,
        states: Collection[DocumentState] | None = None,
        search: str | None = None,
        limit: int = 1000,
        offset: int = 0,
    ) -> list[Document]:
        """Return documents, newest first, without deleted ones."""
        names = [str(s) for s in (states if states is not None else DocumentState)]
        names = [s for s in names if s != DocumentState.DELETED]
        where = f" WHERE d.state IN ({','.join('?' * len(names))})"
        values: list[object] = list(names)
        if search:
            where += " AND EXISTS (SELECT 1 FROM names n"
            where += " WHERE n.document_id = d.id AND instr(lower(n.name), lower(?)))"
            values.append(search)
        where += " ORDER BY d.created_at DESC, d.rowid DESC LIMIT ? OFFSET ?"
        return [as_document(row) for row in self._read(SELECT + where, (*values, limit, offset))]

    def counts(self) -> dict[DocumentState, int]:
        """Return the number of documents in each state, including states with none."""
        rows = self._read("SELECT state, count(*) AS many FROM documents GROUP BY state")
        found = {row["state"]: int(row["many"]) for row in rows}
        return {state: found.get(state.value, 0) for state in DocumentState}

    def partly_read(self) -> int:
        """Return how many ready documents have a part that could not be read."""
        rows = self._read(
            "SELECT count(*) AS many FROM documents WHERE state = 'ready'"
            " AND json_array_length(report, '$.unread') > 0"
        )
        return int(rows[0]["many"])

    def visible(self, ids: Collection[str]) -> dict[str, str]:
        """Return those of these ids that answers may show (ready ones), each with its name.

        Checking this at query time makes a replaced document switch atomically, although OpenSearch itself
        has no transactions over many chunks.
        """
        if not ids:
            return {}
        marks = ",".join("?" * len(ids))
        rows = self._read(SELECT + f" WHERE d.state = 'ready' AND d.id IN ({marks})", tuple(ids))
        return {document.id: document.name for document in map(as_document, rows)}

    def generation(self) -> int:
        """Return a number that grows whenever search results may change; used by answer caches."""
        return int(self._read("SELECT value FROM counters WHERE name = 'generation'")[0]["value"])

    def check(self) -> str:
        """Return the result of SQLite's own check of the file: "ok", or what is corrupt."""
        return str(self._read("PRAGMA quick_check(1)")[0][0])

    def path_of(self, document_id: str) -> Path | None:
        """Return the path of a document's stored file."""
        rows = self._read("SELECT path FROM documents WHERE id = ? AND state != 'deleted'", (document_id,))
        return Path(rows[0]["path"]) if rows and rows[0]["path"] else None

    def request_delete(self, document_id: str) -> Document:
        """Hide the document at once; the worker removes its chunks and files."""
        with self._write() as db:
            changed = db.execute(
                "UPDATE documents SET state='deleting', lease_owner=NULL, lease_until=0, not_before=0,"
                " updated_at=?"
                " WHERE id=? AND state NOT IN ('deleting', 'deleted')",
                (self._clock(), document_id),
            ).rowcount
            if changed:
                bump(db)
        return self.get(document_id)

    def retry(self, document_id: str) -> Document:
        """Queue a failed document with new attempts; in any other state nothing changes."""
        with self._write() as db:
            requeue(db, document_id, self._clock(), only="state = 'failed'")
        return self.get(document_id)

    def requeue_ready(self) -> int:
        """Queue every ready document again, because the index is new or was lost."""
        with self._write() as db:
            ids = [row["id"] for row in db.execute("SELECT id FROM documents WHERE state = 'ready'")]
            for one in ids:
                requeue(db, one, self._clock(), only="state = 'ready'")
            bump(db)
            return len(ids)
