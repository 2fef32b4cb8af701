"""Tags that users put on documents to find them again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rag_core.ledger.store import Store

MOST = 12
LONGEST = 40


class Tags(Store):
    """The tags of all documents; safe to share between threads and processes."""

    tables = """
CREATE TABLE IF NOT EXISTS tags (
    document_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (document_id, tag));
CREATE INDEX IF NOT EXISTS tags_by_tag ON tags (tag);
"""

    def put(self, document_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Set a document's tags, replacing earlier ones; they are stored in normalised spelling."""
        kept = tuple(sorted({clean for tag in tags if (clean := spelled(tag))})[:MOST])
        with self._write() as db:
            db.execute("DELETE FROM tags WHERE document_id = ?", (document_id,))
            db.executemany("INSERT INTO tags VALUES (?, ?)", [(document_id, tag) for tag in kept])
        return kept

    def of(self, documents: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the tags of each of these documents, without those that have none."""
        if not documents:
            return {}
        marks = ",".join("?" * len(documents))
        found: dict[str, tuple[str, ...]] = {}
        for row in self._read(
            f"SELECT document_id, tag FROM tags WHERE document_id IN ({marks}) ORDER BY tag",  # noqa: S608 - marks
            tuple(documents),
        ):
            found[row["document_id"]] = (*found.get(row["document_id"], ()), row["tag"])
        return found

    def holding(self, part: str) -> list[str]:
        """Return the documents that have a tag containing this text."""
        rows = self._read("SELECT DISTINCT document_id FROM tags WHERE instr(tag, ?)", (spelled(part),))
        return [row["document_id"] for row in rows]


def spelled(tag: str) -> str:
    """Normalise a tag: lower case, one line, not too long."""
    return " ".join(tag.casefold().split())[:LONGEST].strip()
