"""The SQLite file of the ledger, which also contains tables beside the ledger's own.

A backup of that file has all of them from the same point in time. They are created where they are used, not
by the ledger's numbered steps.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

_BUSY_SECONDS = 15.0


class Store:
    """One connection, guarded by a lock for threads; SQLite's own locks guard against other processes."""

    tables: ClassVar[str] = ""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            self._prepare(db)
            self._db = db
        return self._db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Create missing tables; called once per connection."""
        db.executescript(self.tables)

    def _read(self, sql: str, values: Sequence[object] = ()) -> Sequence[sqlite3.Row]:
        with self._lock:
            return self._open().execute(sql, tuple(values)).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._open()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite has already rolled back by itself.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
