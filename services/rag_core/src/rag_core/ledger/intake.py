"""Adds contents to the ledger: uploads, and files put into the input directory by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag_core.ledger.database import bump, delete_nameless, drop_replaced, requeue
from rag_core.ledger.reading import Reading
from rag_core.models import Document, DocumentKind, Frozen


class SeenFile(Frozen):
    """What the watcher last saw at a path."""

    size: int
    mtime_ns: int
    document_id: str


def document_id(sha256: str) -> str:
    """Return the id of a content: the same bytes get the same id on every machine."""
    return sha256[:24]


class Intake(Reading):
    """Enqueues contents, and remembers which file had which content."""

    def enqueue(
        self,
        *,
        sha256: str,
        kind: DocumentKind,
        size: int,
        name: str,
        source: Path | None = None,
        store: Callable[[Path | None], Path] | None = None,
        refused: tuple[str, str] | None = None,
        replace: bool = False,
    ) -> Document:
        """Add a content under a name: a new one is queued, a known one gets the additional name.

        `store` is called inside the transaction with the path known so far and returns where the content
        is, so that a deletion that ends at the same moment cannot remove the new file. `source` is the path
        of a file put there by hand; `refused` is (code, reason) for one that cannot be read, unless the
        content is known from another file: then it only gets the additional name.

        The previous content of the file at `source`, and with `replace` the previous upload under this name,
        loses that name once the new content is ready; until then, and if it fails, the old one serves.
        """
        now = self._clock()
        doc = document_id(sha256)
        origin = str(source) if source else ""
        with self._write() as db:
            row = db.execute("SELECT path, state FROM documents WHERE id = ?", (doc,)).fetchone()
            known = Path(row["path"]) if row and row["path"] and row["state"] != "deleted" else None
            well = row is not None and row["state"] in ("queued", "processing", "ready")
            path = store(known) if store else (source or known or Path())
            if row is None:
                db.execute(
                    "INSERT INTO documents"
                    " (id, sha256, kind, size, path, state, touched, created_at, updated_at)"
                    " VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, ?)",
                    (doc, sha256, kind.value, size, str(path), now, now),
                )
            elif not (refused and well):
                if row["state"] in ("deleting", "deleted"):
                    db.execute("DELETE FROM names WHERE document_id = ?", (doc,))
                    # It was deleted before: what it was to replace then no longer applies.
                    db.execute("UPDATE names SET replaced_by = NULL WHERE replaced_by = ?", (doc,))
                    db.execute("UPDATE documents SET created_at = ? WHERE id = ?", (now, doc))
                db.execute(
                    "UPDATE documents SET path = ?, kind = ? WHERE id = ?", (str(path), kind.value, doc)
                )
                requeue(db, doc, now, only="state IN ('failed', 'deleting', 'deleted')")
            db.execute(
                "INSERT INTO names (document_id, name, source) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET replaced_by = NULL",
                (doc, name, origin),
            )
            if origin or replace:
                db.execute(
                    "UPDATE names SET replaced_by = ? WHERE source = ? AND document_id != ?"
                    " AND (source != '' OR name = ?)",
                    (doc, origin, doc, name),
                )
            if refused and not well:
                db.execute(
                    "UPDATE documents SET state='failed', code=?, reason=?, updated_at=? WHERE id=?",
                    (*refused, now, doc),
                )
            elif row is not None and row["state"] == "ready":
                drop_replaced(db, doc, now)
                bump(db)
        return self.get(doc)

    def remember(self, path: Path, seen: SeenFile) -> None:
        """Remember what was seen at a path."""
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO files (path, size, mtime_ns, document_id) VALUES (?, ?, ?, ?)",
                (str(path), seen.size, seen.mtime_ns, seen.document_id),
            )

    def watched(self) -> dict[Path, SeenFile]:
        """Return every path that the watcher remembers, and what it saw there."""
        rows = self._read("SELECT path, size, mtime_ns, document_id FROM files")
        return {Path(row["path"]): SeenFile(**{k: row[k] for k in SeenFile.model_fields}) for row in rows}

    def file_gone(self, path: Path) -> None:
        """Remove the name of a file that was removed by hand, and with its last name the document."""
        now = self._clock()
        with self._write() as db:
            db.execute("DELETE FROM files WHERE path = ?", (str(path),))
            docs = [
                r["document_id"]
                for r in db.execute("SELECT document_id FROM names WHERE source = ?", (str(path),))
            ]
            db.execute("DELETE FROM names WHERE source = ?", (str(path),))
            delete_nameless(db, docs, now)
            if docs:
                # Cached answers must not go on citing what was removed.
                bump(db)
