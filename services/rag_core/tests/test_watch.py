"""Files in the input directory are ingested when complete, updated when edited and deleted when gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag_core.ingest.watch import Watcher
from rag_core.ledger import Ledger
from rag_core.models import DocumentState


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "raw"
    path.mkdir()
    return path


@pytest.fixture
def watcher(raw: Path, ledger: Ledger) -> Watcher:
    return Watcher(raw, ledger, max_bytes=1000)


def everybody_may_enter(path: Path) -> None:
    """Open pytest's own directories, which are for one user."""
    for one in (path, *path.parents):
        if one.stat().st_uid == os.geteuid() and one != Path("/"):
            one.chmod(one.stat().st_mode | 0o755)


@contextmanager
def another_user() -> Iterator[None]:
    """Have no more rights on files than nobody if this is root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def states(ledger: Ledger) -> dict[str, DocumentState]:
    return {d.name: d.state for d in ledger.list()}


def test_file_is_taken_only_when_two_looks_agree(raw: Path, watcher: Watcher, ledger: Ledger) -> None:
    (raw / "sub").mkdir()
    (raw / "sub" / "a.txt").write_text("half")
    assert watcher.scan().growing == 1
    (raw / "sub" / "a.txt").write_text("half and the rest")
    assert watcher.scan().growing == 1
    assert watcher.scan().taken == 1
    assert states(ledger) == {"a.txt": DocumentState.QUEUED}
    assert watcher.scan().taken == 0, "an unchanged file is left alone"


def test_uploads_links_and_hidden_files_are_left_alone(raw: Path, watcher: Watcher, ledger: Ledger) -> None:
    (raw / "uploads" / "x").mkdir(parents=True)
    (raw / "uploads" / "x" / "a.txt").write_text("a")
    (raw / ".hidden").write_text("b")
    (raw / "link.txt").symlink_to("/etc/hostname")
    watcher.scan()
    watcher.scan()
    assert states(ledger) == {}


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "upload_empty"), (b"\x00\x01" * 9, "upload_unsupported"), (b"w " * 600, "upload_too_large")],
)
def test_bad_file_is_shown_as_failed_with_its_reason(
    raw: Path, watcher: Watcher, ledger: Ledger, content: bytes, code: str
) -> None:
    (raw / "bad.txt").write_bytes(content)
    watcher.scan()
    assert watcher.scan().refused == 1
    document = ledger.list()[0]
    assert (document.state, document.code) == (DocumentState.FAILED, code)
    assert document.reason


def test_a_name_that_is_not_utf_8_is_shown_as_failed_and_holds_up_no_other(
    raw: Path, watcher: Watcher, ledger: Ledger
) -> None:
    """An archive of another system unpacked with `unzip` has such names."""
    (raw / os.fsdecode(b"r\xe9sum\xe9.txt")).write_text("good")
    (raw / "zebra.txt").write_text("better")
    watcher.scan()
    found = watcher.scan()
    assert (found.refused, found.taken) == (1, 1)
    failed = next(one for one in ledger.list() if one.state is DocumentState.FAILED)
    assert (failed.name, failed.code) == ("r\ufffdsum\ufffd.txt", "upload_name")
    assert failed.reason is not None
    assert "rename it" in failed.reason
    found = watcher.scan()
    assert (found.refused, found.taken, found.gone) == (0, 0, 0), "it is reported once"


def test_a_file_that_the_worker_may_not_read_holds_up_no_other_and_is_not_gone(
    raw: Path, watcher: Watcher, ledger: Ledger
) -> None:
    """`sudo cp -p` brings such files."""
    for folder in ("open", "shut"):
        (raw / folder).mkdir()
        (raw / folder / f"{folder}.txt").write_text(f"good {folder}")
    everybody_may_enter(raw)
    watcher.scan()
    watcher.scan()
    (raw / "private.txt").write_text("secret")
    (raw / "private.txt").chmod(0)
    (raw / "shut").chmod(0)
    (raw / "later.txt").write_text("better")
    with another_user():
        watcher.scan()
        found = watcher.scan()
    (raw / "shut").chmod(0o700)
    assert (found.taken, found.gone) == (1, 0)
    assert found.unread == {raw / "private.txt", raw / "shut"}
    assert states(ledger) == dict.fromkeys(("open.txt", "shut.txt", "later.txt"), DocumentState.QUEUED)


def test_a_refused_copy_of_a_document_takes_nothing_from_it(raw: Path, ledger: Ledger) -> None:
    """The same bytes under a name that cannot be read, or over a limit that was lowered since."""
    (raw / "good.txt").write_text("The same words.")
    first = Watcher(raw, ledger, max_bytes=1000)
    first.scan()
    first.scan()
    (document,) = ledger.list()
    (raw / os.fsdecode(b"gr\xfcn.txt")).write_text("The same words.")
    (raw / "again.txt").write_text("The same words.")
    second = Watcher(raw, ledger, max_bytes=5)
    second.scan()
    assert second.scan().refused == 2
    (after,) = ledger.list()
    assert (after.state, after.kind, ledger.path_of(after.id)) == (
        DocumentState.QUEUED,
        document.kind,
        raw / "good.txt",
    )


def test_file_taken_away_is_deleted(raw: Path, watcher: Watcher, ledger: Ledger) -> None:
    for name in ("a.txt", "b.txt"):
        (raw / name).write_text(name)
    watcher.scan()
    watcher.scan()
    (raw / "a.txt").unlink()
    assert watcher.scan().gone == 1
    assert states(ledger)["b.txt"] is DocumentState.QUEUED
    assert DocumentState.DELETING in states(ledger).values()


def test_empty_disk_deletes_nothing(raw: Path, watcher: Watcher, ledger: Ledger) -> None:
    """An unmounted disk looks like a directory from which everything was deleted."""
    for name in ("a.txt", "b.txt"):
        (raw / name).write_text(name)
    watcher.scan()
    watcher.scan()
    for path in raw.iterdir():
        path.unlink()
    assert watcher.scan().suspicious
    assert set(states(ledger).values()) == {DocumentState.QUEUED}


def test_edited_file_stays_when_the_content_it_replaced_is_removed(
    raw: Path, watcher: Watcher, ledger: Ledger
) -> None:
    """Both contents have the same path: removing the old one must not delete the new file."""
    path = raw / "note.txt"
    for text in ("The ferry leaves at nine.", "The ferry leaves at eleven, now."):
        path.write_text(text)
        watcher.scan()
        watcher.scan()
        job = ledger.claim("w", 60)
        assert job is not None
        assert ledger.ready(job.document.id, "w", pages=1, chunks=1)
    removed: list[Path] = []
    gone = ledger.claim("w", 60)
    assert gone is not None
    assert gone.document.state is DocumentState.DELETING
    assert ledger.deleted(gone.document.id, "w", removed.extend)
    assert removed == []
    assert watcher.scan().gone == 0
    assert states(ledger) == {"note.txt": DocumentState.READY}


def test_deleting_a_file_put_there_by_hand_removes_it(raw: Path, watcher: Watcher, ledger: Ledger) -> None:
    (raw / "note.txt").write_text("The ferry leaves at nine.")
    watcher.scan()
    watcher.scan()
    ledger.request_delete(ledger.list()[0].id)
    job = ledger.claim("w", 60)
    assert job is not None
    removed: list[Path] = []
    assert ledger.deleted(job.document.id, "w", removed.extend)
    assert removed == [raw / "note.txt"]
