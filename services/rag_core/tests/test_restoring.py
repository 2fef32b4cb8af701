"""Restoring a ledger that services have open: all or nothing, and no upload is lost."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from rag_core.errors import RestoreRefused
from rag_core.ledger import Ledger, document_id, restoring, schema
from rag_core.ledger.conversations import Conversations
from rag_core.models import DocumentKind, DocumentState

OWNER = "a worker"


def sha(name: str) -> str:
    """A distinct hash for each name."""
    return name.encode().hex().ljust(64, "0")


def bring(ledger: Ledger, *names: str, ready: bool = True) -> None:
    """Add documents with these names; `ready` marks them as read by the worker."""
    for name in names:
        ledger.enqueue(
            sha256=sha(name), kind=DocumentKind.TEXT, size=3, name=name, source=Path(f"/data/raw/{name}")
        )
    while ready and (job := ledger.claim(OWNER, 60)) is not None:
        ledger.ready(job.document.id, OWNER, pages=1, chunks=2)


def copy(source: Path, target: Path) -> None:
    """Make a consistent copy, as a backup does."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


def states(ledger: Ledger) -> dict[str, DocumentState]:
    """Name -> state."""
    return {one.name: one.state for one in ledger.list()}


@pytest.fixture
def live(tmp_path: Path) -> Ledger:
    """A ledger that a service has open."""
    ledger = Ledger(tmp_path / "live.sqlite3")
    bring(ledger, "a", "b")
    return ledger


@pytest.fixture
def backup(live: Ledger, tmp_path: Path) -> Path:
    """A copy of the live ledger from a while ago."""
    kept = tmp_path / "backup.sqlite3"
    copy(tmp_path / "live.sqlite3", kept)
    return kept


def test_a_service_sees_the_restored_rows_without_a_restart(
    live: Ledger, backup: Path, tmp_path: Path
) -> None:
    """The service's connection stays open, which makes a restore without downtime possible."""
    bring(live, "later")
    live.request_delete(document_id(sha("a")))
    restoring.replace(tmp_path / "live.sqlite3", backup, since=time.time() + 60)
    assert states(live) == {"a": DocumentState.READY, "b": DocumentState.READY}


def test_a_rebuild_that_ran_during_the_backup_is_not_taken_up_again(live: Ledger, tmp_path: Path) -> None:
    """Its notes name indices from that time, one of which may be a current index that the restore keeps."""
    live.note("rebuild_target", "quest-research-2")
    with sqlite3.connect(tmp_path / "live.sqlite3") as db:
        db.execute("UPDATE documents SET home = 'quest-research-2'")
    then = tmp_path / "then.sqlite3"
    copy(tmp_path / "live.sqlite3", then)
    live.note("rebuild_target", None)
    live.note("rebuild_retired", "quest-research-1")
    restoring.replace(tmp_path / "live.sqlite3", then, since=time.time() + 60)
    assert live.noted("rebuild_target") is None
    assert live.noted("rebuild_retired") is None
    with sqlite3.connect(tmp_path / "live.sqlite3") as db:
        assert db.execute("SELECT DISTINCT home FROM documents").fetchall() == [(None,)]


def test_cached_answers_are_invalid_after_a_restore(live: Ledger, backup: Path, tmp_path: Path) -> None:
    """The generation never repeats: an answer cached under it would be shown for other documents."""
    bring(live, "c", "d", "e")
    before = live.generation()
    restoring.replace(tmp_path / "live.sqlite3", backup, since=time.time() + 60)
    assert live.generation() > before


def test_a_document_brought_during_the_restore_stays(live: Ledger, backup: Path, tmp_path: Path) -> None:
    began = time.time()
    bring(live, "meanwhile")
    kept = restoring.replace(tmp_path / "live.sqlite3", backup, since=began)
    assert kept == 1
    assert states(live)["meanwhile"] is DocumentState.QUEUED


def test_a_document_that_was_deleted_before_the_backup_and_brought_during_the_restore_stays(
    live: Ledger, tmp_path: Path
) -> None:
    live.request_delete(document_id(sha("a")))
    with sqlite3.connect(tmp_path / "live.sqlite3") as db:
        db.execute("UPDATE documents SET state = 'deleted' WHERE state = 'deleting'")
    backup = tmp_path / "later.sqlite3"
    copy(tmp_path / "live.sqlite3", backup)
    began = time.time()
    bring(live, "a")
    assert restoring.replace(tmp_path / "live.sqlite3", backup, since=began) == 1
    assert states(live)["a"] is DocumentState.QUEUED


def test_a_ledger_of_another_version_changes_nothing(live: Ledger, backup: Path, tmp_path: Path) -> None:
    db = sqlite3.connect(backup)
    db.execute("ALTER TABLE documents ADD COLUMN colour TEXT")
    db.commit()
    db.close()
    bring(live, "later")
    with pytest.raises(RestoreRefused, match="another version"):
        restoring.replace(tmp_path / "live.sqlite3", backup, since=0)
    assert set(states(live)) == {"a", "b", "later"}


def test_tables_that_one_side_lacks_are_made_or_left(live: Ledger, backup: Path, tmp_path: Path) -> None:
    """Conversations are in the ledger's file, in tables created with the first question."""
    path = tmp_path / "live.sqlite3"
    talk = Conversations(path)
    talk.start("before any backup of them")
    restoring.replace(path, backup, since=time.time() + 60)
    assert [one.title for one in talk.list()] == ["before any backup of them"]
    copy(path, backup)
    empty = Ledger(tmp_path / "empty.sqlite3")
    bring(empty, "x")
    restoring.replace(tmp_path / "empty.sqlite3", backup, since=time.time() + 60)
    restored = Conversations(tmp_path / "empty.sqlite3")
    assert [one.title for one in restored.list()] == ["before any backup of them"]
    restoring.replace(path, backup, since=time.time() + 60, exact=True)
    assert states(empty) == states(live)


def test_the_index_of_a_backup_decides_what_is_ready(live: Ledger, backup: Path, tmp_path: Path) -> None:
    """Only the index was restored: documents it lacks are reread, those it has are ready, deleted ones go."""
    bring(live, "later")
    live.requeue_ready()
    live.request_delete(document_id(sha("b")))
    job = live.claim(OWNER, 60)
    assert job is not None
    live.deleted(job.document.id, OWNER, lambda _paths: None)
    again, orphans = restoring.fit_to_index(tmp_path / "live.sqlite3", backup)
    assert states(live)["a"] is DocumentState.READY
    assert states(live)["later"] is DocumentState.QUEUED
    assert orphans == [document_id(sha("b"))]
    assert again == 0


def test_a_ready_document_that_the_index_lacks_is_read_again(
    live: Ledger, backup: Path, tmp_path: Path
) -> None:
    bring(live, "later")
    again, orphans = restoring.fit_to_index(tmp_path / "live.sqlite3", backup)
    assert (again, orphans) == (1, [])
    assert states(live)["later"] is DocumentState.QUEUED


@pytest.mark.parametrize(("paths", "back"), [(None, {"a", "b"}), (["/data/raw/a"], {"a"})])
def test_lost_documents_are_queued_again(
    live: Ledger, backup: Path, tmp_path: Path, paths: list[str] | None, back: set[str]
) -> None:
    for name in ("a", "b"):
        live.request_delete(document_id(sha(name)))
        job = live.claim(OWNER, 60)
        assert job is not None
        live.deleted(job.document.id, OWNER, lambda _paths: None)
    bring(live, "later")
    assert restoring.bring_back(tmp_path / "live.sqlite3", backup, paths) == len(back)
    expected = dict.fromkeys(back, DocumentState.QUEUED) | {"later": DocumentState.READY}
    assert states(live) == expected


def test_a_document_that_is_well_is_left_alone(live: Ledger, backup: Path, tmp_path: Path) -> None:
    assert restoring.bring_back(tmp_path / "live.sqlite3", backup) == 0
    assert set(states(live).values()) == {DocumentState.READY}


def test_a_missing_backup_ledger_is_said(live: Ledger, tmp_path: Path) -> None:
    with pytest.raises(RestoreRefused, match="there is no ledger"):
        restoring.replace(tmp_path / "live.sqlite3", tmp_path / "none.sqlite3", since=0)
    shutil.rmtree(tmp_path)


def test_an_older_ledger_is_migrated_to_the_version_of_this_software(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in schema.STEPS[0].split(";"):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
    restoring.migrate(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)


def test_what_is_no_ledger_is_refused(live: Ledger, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    other.write_bytes(b"not a database" * 100)
    for change in (
        lambda: restoring.migrate(other),
        lambda: restoring.replace(tmp_path / "live.sqlite3", other, since=0),
    ):
        with pytest.raises(RestoreRefused, match="not a database"):
            change()
    assert set(states(live)) == {"a", "b"}
