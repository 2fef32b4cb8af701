"""The ledger's tables, as numbered migration steps: a database records which ones it has applied."""

from __future__ import annotations

import sqlite3

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE documents (
        id TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        size INTEGER NOT NULL,
        path TEXT NOT NULL,
        state TEXT NOT NULL,
        code TEXT,
        reason TEXT,
        pages INTEGER,
        pages_done INTEGER NOT NULL DEFAULT 0,
        chunks INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL DEFAULT 0,
        lease_owner TEXT,
        lease_until REAL NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL
    );
    CREATE INDEX documents_by_state ON documents (state, created_at);
    -- One row for each name a content goes by: source is the path of a file put there by hand.
    CREATE TABLE names (
        document_id TEXT NOT NULL REFERENCES documents (id),
        name TEXT NOT NULL,
        source TEXT NOT NULL DEFAULT '',
        replaced_by TEXT,
        PRIMARY KEY (document_id, name, source)
    );
    CREATE INDEX names_by_source ON names (source);
    -- What the watcher saw last of each file, so that an unchanged file is not hashed again.
    CREATE TABLE files (
        path TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        document_id TEXT NOT NULL
    );
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    INSERT INTO counters VALUES ('generation', 0);
    """,
    """
    -- The index that holds a ready document's chunks. NULL: the one that serves.
    ALTER TABLE documents ADD COLUMN home TEXT;
    -- 1 once a worker has had the document in hand: an earlier reading may have left chunks.
    ALTER TABLE documents ADD COLUMN touched INTEGER NOT NULL DEFAULT 1;
    -- Work done in each stretch of ten seconds, for rates.
    CREATE TABLE work (
        stretch INTEGER PRIMARY KEY,
        documents INTEGER NOT NULL DEFAULT 0,
        pages INTEGER NOT NULL DEFAULT 0,
        chunks INTEGER NOT NULL DEFAULT 0
    );
    -- What the worker and the app tell each other.
    CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL);
    -- Questions in flight. A row outlives its process no longer than `until`.
    CREATE TABLE asking (token TEXT PRIMARY KEY, until REAL NOT NULL);
    """,
    """
    -- What was read of a ready document and what was not, as JSON (models.ReadingReport).
    ALTER TABLE documents ADD COLUMN report TEXT;
    """,
)


def migrate(db: sqlite3.Connection) -> None:
    """Apply the steps that this database lacks; two processes may call it at once."""
    done = int(db.execute("PRAGMA user_version").fetchone()[0])
    if done >= len(STEPS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        done = int(db.execute("PRAGMA user_version").fetchone()[0])
        for number, step in enumerate(STEPS[done:], start=done + 1):
            for statement in step.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
