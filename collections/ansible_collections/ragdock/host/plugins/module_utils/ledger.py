"""The ledger of documents, read and copied while rag-app and rag-worker have it open; never changed here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

BUSY_SECONDS = 30.0


class LedgerError(Exception):
    """The ledger cannot be used. The text says what to do."""


@dataclass(frozen=True)
class Facts:
    """What is read from a ledger."""

    version: int
    documents: int


def version(path: Path) -> int:
    """The version of its tables."""
    with closing(_opened(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def facts(path: Path) -> Facts:
    """Read its version and count; raise if the file is damaged."""
    try:
        with closing(_opened(path)) as db:
            _check(path, db)
            alive = "SELECT count(*) FROM documents WHERE state NOT IN ('deleting', 'deleted')"
            return Facts(version(path), int(db.execute(alive).fetchone()[0]))
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error


def copy(source: Path, target: Path) -> None:
    """Copy a database that may be in use, with SQLite's backup API, and check the copy."""
    target.unlink(missing_ok=True)
    try:
        with closing(_opened(source)) as live, closing(sqlite3.connect(target)) as kept:
            live.backup(kept)
            # Keep the copy in one file: no WAL file beside it, whoever opens it next.
            kept.execute("PRAGMA journal_mode = DELETE")
            _check(source, kept)
    except sqlite3.Error as error:
        raise LedgerError(f"{source} cannot be copied to {target}: {error}") from error
    target.chmod(0o600)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_SECONDS)


def _check(path: Path, db: sqlite3.Connection) -> None:
    (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise LedgerError(f"{path} is damaged: {verdict}")
