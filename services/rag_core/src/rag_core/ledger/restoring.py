"""Changes the ledger in a restore while rag-app and rag-worker have it open.

Rows are replaced in one SQLite transaction, never the file: the services keep their connections and see the
state before or the state after, and a kill in between leaves the state before. A restore runs this in the
worker's own image, so the tables are changed by the code that knows them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rag_core.errors import RestoreRefused
from rag_core.ledger import Ledger
from rag_core.ledger.database import bump

_BUSY_SECONDS = 30.0
# States of documents that are not deleted.
_ALIVE = "('queued', 'processing', 'ready', 'failed')"
# Tables through which running services coordinate pending work. A backup's rows name indexes of another day,
# above all the one that a rebuild was filling or about to remove, which may be the one that a restore keeps.
_PASSING = {"asking", "notes", "work"}
# Tokens already spent: restoring a backup must not give them back.
_LASTING = {"remote_tokens"}
_AGAIN = (
    "state='queued', code=NULL, reason=NULL, attempts=0, crashes=0, not_before=0, pages_done=0,"
    " lease_owner=NULL, lease_until=0"
)


def migrate(path: Path) -> None:
    """Bring a ledger that no service has open to the newest version of its tables."""
    try:
        with closing(Ledger(path)) as ledger:
            ledger.counts()
    except sqlite3.Error as error:
        raise RestoreRefused(f"{path} cannot be migrated: {error}") from error


def replace(live: Path, other: Path, since: float, *, exact: bool = False) -> int:
    """Replace the live ledger's content by another's. Documents added from `since` on stay, queued again.

    Returns how many stayed. The counter that invalidates cached answers only grows. Rows of tables that the
    other ledger lacks stay, unless `exact`.
    """
    with _changing(live, other) as db:
        theirs = _columns(db, "other")
        for table in set(theirs) - set(_columns(db, "main")):
            _adopt(db, table)
        tables = _columns(db, "main")
        if any(tables[table] != columns for table, columns in theirs.items()):
            raise RestoreRefused(
                f"{other} has other columns than the running software's ledger; it was written by another "
                "version of Ragdock. Nothing was changed."
            )
        db.execute(
            "CREATE TEMP TABLE arrived AS SELECT * FROM main.documents"  # noqa: S608 - constants
            f" WHERE created_at >= ? AND state IN {_ALIVE}"
            # One that the backup knows as deleted was brought anew since.
            f" AND id NOT IN (SELECT id FROM other.documents WHERE state IN {_ALIVE})",
            (since,),
        )
        db.execute(
            "CREATE TEMP TABLE arrived_names AS SELECT * FROM main.names"
            " WHERE document_id IN (SELECT id FROM arrived)"
        )
        generation = db.execute("SELECT value FROM main.counters WHERE name='generation'").fetchone()[0]
        for table in (set(tables) - set(theirs)) if exact else ():
            db.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - names of our own tables
        for table in () if exact else _PASSING & set(tables):
            db.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - names of our own tables
        for table, columns in theirs.items():
            if table in _PASSING and not exact:
                continue
            if table in _LASTING and not exact:
                db.execute(f'INSERT OR IGNORE INTO main."{table}" SELECT * FROM other."{table}"')  # noqa: S608
                continue
            listed = ", ".join(f'"{column}"' for column in columns)
            db.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - names of our own tables
            db.execute(f'INSERT INTO main."{table}" ({listed}) SELECT {listed} FROM other."{table}"')  # noqa: S608
        if not exact:
            # Forget which index documents were being moved to: the restored one serves now.
            db.execute("UPDATE main.documents SET home = NULL")
        db.execute(f"UPDATE temp.arrived SET {_AGAIN}")  # noqa: S608 - constants
        db.execute("DELETE FROM main.documents WHERE id IN (SELECT id FROM arrived)")
        db.execute("DELETE FROM main.names WHERE document_id IN (SELECT id FROM arrived)")
        db.execute("INSERT INTO main.documents SELECT * FROM arrived")
        db.execute("INSERT OR IGNORE INTO main.names SELECT * FROM arrived_names")
        db.execute(
            "UPDATE main.counters SET value = max(value, ?) WHERE name='generation'",
            (generation,),
        )
        return int(db.execute("SELECT count(*) FROM arrived").fetchone()[0])


def fit_to_index(live: Path, other: Path) -> tuple[int, list[str]]:
    """Adapt the live ledger to an index that now is the one that the other ledger describes.

    A document that is ready in the other ledger becomes ready; any other is read again. Returns how many are
    read again, and the ids whose chunks in the index are obsolete.
    """
    with _changing(live, other) as db:
        db.execute(
            "UPDATE main.documents AS mine SET state='ready', code=NULL, reason=NULL, attempts=0,"  # noqa: S608
            " crashes=0, not_before=0, lease_owner=NULL, lease_until=0, pages=its.pages,"
            " pages_done=its.pages_done, chunks=its.chunks FROM other.documents AS its"
            f" WHERE its.id = mine.id AND its.state = 'ready' AND mine.state IN {_ALIVE}"
        )
        again = db.execute(
            f"UPDATE main.documents SET {_AGAIN} WHERE state IN ('ready', 'processing')"  # noqa: S608
            " AND id NOT IN (SELECT id FROM other.documents WHERE state = 'ready')"
        ).rowcount
        orphans = db.execute(
            "SELECT id FROM other.documents AS its WHERE state != 'deleted' AND NOT EXISTS"  # noqa: S608
            f" (SELECT 1 FROM main.documents AS mine WHERE mine.id = its.id AND mine.state IN {_ALIVE})"
        ).fetchall()
        return again, sorted(row[0] for row in orphans)


def bring_back(live: Path, other: Path, paths: Collection[str] | None = None) -> int:
    """Queue documents whose files are back but that the live ledger lacks; returns how many.

    `paths` are the files as the ledger names them; None: every document in the other ledger.
    """
    with _changing(live, other) as db:
        db.execute("CREATE TEMP TABLE wanted (path TEXT PRIMARY KEY)")
        if paths is None:
            db.execute("INSERT OR IGNORE INTO wanted SELECT path FROM other.documents")
        else:
            db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", [(path,) for path in paths])
        db.execute(
            "CREATE TEMP TABLE lost AS SELECT * FROM other.documents AS its"  # noqa: S608 - constants
            f" WHERE state IN {_ALIVE} AND path IN (SELECT path FROM wanted) AND NOT EXISTS"
            " (SELECT 1 FROM main.documents AS mine WHERE mine.id = its.id"
            " AND mine.state IN ('queued', 'processing', 'ready'))"
        )
        db.execute(f"UPDATE temp.lost SET {_AGAIN}")  # noqa: S608 - constants
        for table, key in (("names", "document_id"), ("documents", "id")):
            db.execute(f"DELETE FROM main.{table} WHERE {key} IN (SELECT id FROM lost)")  # noqa: S608
        db.execute("INSERT INTO main.documents SELECT * FROM lost")
        db.execute(
            "INSERT OR IGNORE INTO main.names SELECT * FROM other.names"
            " WHERE document_id IN (SELECT id FROM lost)"
        )
        return int(db.execute("SELECT count(*) FROM lost").fetchone()[0])


@contextmanager
def _changing(live: Path, other: Path) -> Iterator[sqlite3.Connection]:
    """Run one transaction on a live ledger, with another one attached as `other`."""
    if not other.is_file():
        raise RestoreRefused(f"there is no ledger at {other}")
    try:
        with closing(
            sqlite3.connect(f"file:{live}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        ) as db:
            db.execute("ATTACH ? AS other", (f"file:{other}?mode=ro",))
            db.execute("PRAGMA foreign_keys = OFF")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                if broken := len(db.execute("PRAGMA main.foreign_key_check").fetchall()):
                    raise RestoreRefused(f"{broken} rows would point to no document; nothing was changed")
                bump(db)
            except BaseException:
                # On a full disk SQLite has already rolled back by itself.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise RestoreRefused(f"{live} was not changed: {error}") from error


def _columns(db: sqlite3.Connection, schema: str) -> dict[str, list[str]]:
    """Return table -> columns, without SQLite's internal tables."""
    names = [
        row[0]
        for row in db.execute(
            f"SELECT name FROM {schema}.sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"  # noqa: S608
        )
    ]
    return {
        name: [row[1] for row in db.execute(f'PRAGMA {schema}.table_info("{name}")')]
        for name in sorted(names)
    }


def _adopt(db: sqlite3.Connection, table: str) -> None:
    """Create a table that only the other ledger has, with its indexes: some are created on first use."""
    statements = db.execute(
        "SELECT sql FROM other.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type = 'index'",
        (table,),
    ).fetchall()
    for (sql,) in statements:
        db.execute(sql)
