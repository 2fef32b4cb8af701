"""The ledger stays consistent when uploads, deletions and workers compete for one document."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from rag_core.errors import DocumentNotFound
from rag_core.ledger import Ledger
from rag_core.ledger.work import MAX_CRASHES
from rag_core.models import Document, DocumentKind, DocumentState

A, B = "a" * 64, "b" * 64


def add(
    ledger: Ledger, sha256: str = A, name: str = "a.txt", source: Path | None = None, *, replace: bool = False
) -> Document:
    return ledger.enqueue(
        replace=replace,
        sha256=sha256,
        kind=DocumentKind.TEXT,
        size=3,
        name=name,
        source=source,
        store=lambda known: known or Path(name),
    )


def make_ready(ledger: Ledger, sha256: str = A, name: str = "a.txt", source: Path | None = None) -> Document:
    document = add(ledger, sha256, name, source)
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.id == document.id
    assert ledger.ready(document.id, "w", pages=2, chunks=5)
    return ledger.get(document.id)


def test_document_goes_from_queued_to_ready(ledger: Ledger) -> None:
    assert add(ledger).state is DocumentState.QUEUED
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.state is DocumentState.PROCESSING
    assert ledger.progress(job.document.id, "w", lease_seconds=60, pages=9, pages_done=4, chunks=7)
    assert ledger.get(job.document.id).pages_done == 4
    assert ledger.ready(job.document.id, "w", pages=9, chunks=12)
    done = ledger.get(job.document.id)
    assert (done.state, done.pages, done.pages_done, done.chunks) == (DocumentState.READY, 9, 9, 12)
    assert ledger.claim("w", 60) is None


def test_same_content_under_two_names_is_one_document_with_both_names(ledger: Ledger) -> None:
    first, second = add(ledger, name="one.txt"), add(ledger, name="two.txt")
    assert first.id == second.id
    assert second.names == ("one.txt", "two.txt")
    assert ledger.counts()[DocumentState.QUEUED] == 1


def test_killed_workers_document_is_taken_up_again_after_its_lease(ledger: Ledger, clock: Any) -> None:
    document = add(ledger)
    assert ledger.claim("dead", 60) is not None
    assert ledger.claim("next", 60) is None, "the lease must hold while it lasts"
    clock.now += 61
    job = ledger.claim("next", 60)
    assert job is not None
    assert job.document.id == document.id
    assert not ledger.ready(document.id, "dead", pages=1, chunks=1), "the dead worker's word no longer counts"


def test_take_over_ends_leases_at_once(ledger: Ledger) -> None:
    add(ledger)
    assert ledger.claim("dead", 3600) is not None
    assert ledger.take_over() == 1
    assert ledger.claim("next", 60) is not None


def test_file_that_kills_the_worker_each_time_is_set_aside(ledger: Ledger) -> None:
    document = add(ledger)
    for _ in range(MAX_CRASHES + 1):
        assert ledger.claim("w", 60) is not None
        ledger.take_over()
    assert ledger.claim("w", 60) is None
    assert ledger.get(document.id).code == "worker_stopped"


def test_retryable_failure_waits_longer_each_time_and_then_fails(ledger: Ledger, clock: Any) -> None:
    document = add(ledger)
    for wait in (10, 60):
        assert ledger.claim("w", 60) is not None
        ledger.fail(document.id, "w", code="x", reason="busy", retryable=True)
        assert ledger.get(document.id).state is DocumentState.QUEUED
        clock.now += wait - 1
        assert ledger.claim("w", 60) is None
        clock.now += 2
    assert ledger.claim("w", 60) is not None
    ledger.fail(document.id, "w", code="x", reason="busy", retryable=True)
    failed = ledger.get(document.id)
    assert (failed.state, failed.attempts, failed.reason) == (DocumentState.FAILED, 3, "busy")
    assert ledger.retry(document.id).state is DocumentState.QUEUED
    assert ledger.get(document.id).attempts == 0


def test_release_burns_no_attempt(ledger: Ledger) -> None:
    document = add(ledger)
    for _ in range(10):
        assert ledger.claim("w", 60) is not None
        assert ledger.release(document.id, "w")
    assert ledger.get(document.id).attempts == 0


def test_bad_file_never_blocks_the_next(ledger: Ledger) -> None:
    bad, good = add(ledger, A, "bad.txt"), add(ledger, B, "good.txt")
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.id == bad.id
    ledger.fail(bad.id, "w", code="corrupt", reason="damaged")
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.id == good.id


def test_deletion_goes_first_and_hides_at_once(ledger: Ledger) -> None:
    document = make_ready(ledger)
    add(ledger, B, "b.txt")
    assert ledger.visible([document.id]) == {document.id: "a.txt"}
    ledger.request_delete(document.id)
    assert ledger.visible([document.id]) == {}
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.id == document.id
    removed: list[Path] = []
    assert ledger.deleted(document.id, "w", removed.extend)
    assert removed == [Path("a.txt")]
    assert ledger.find(document.id) is None
    with pytest.raises(DocumentNotFound, match=document.id):
        ledger.get(document.id)


def test_upload_during_deletion_wins(ledger: Ledger) -> None:
    """The same file is uploaded again while a worker deletes it: the worker must not remove the new file."""
    document = make_ready(ledger)
    ledger.request_delete(document.id)
    assert ledger.claim("w", 60) is not None
    assert add(ledger, name="again.txt").state is DocumentState.QUEUED
    assert not ledger.deleted(document.id, "w", lambda _: pytest.fail("must not remove the new file"))
    assert ledger.get(document.id).names == ("again.txt",)


def test_deleted_while_processing_tells_the_worker_to_stop(ledger: Ledger) -> None:
    document = add(ledger)
    assert ledger.claim("w", 60) is not None
    ledger.request_delete(document.id)
    assert not ledger.progress(document.id, "w", lease_seconds=60, pages=1, pages_done=0, chunks=1)


def test_edited_file_replaces_its_old_content_in_one_moment(ledger: Ledger) -> None:
    path = Path("/raw/report.txt")
    old = make_ready(ledger, A, "report.txt", path)
    new = add(ledger, B, "report.txt", path)
    assert set(ledger.visible([old.id, new.id])) == {old.id}, (
        "the old content serves until the new one is whole"
    )
    assert ledger.claim("w", 60) is not None
    assert ledger.ready(new.id, "w", pages=1, chunks=1)
    assert set(ledger.visible([old.id, new.id])) == {new.id}
    assert ledger.get(old.id).state is DocumentState.DELETING


def test_edit_keeps_content_that_another_name_still_has(ledger: Ledger) -> None:
    path = Path("/raw/report.txt")
    old = make_ready(ledger, A, "report.txt", path)
    add(ledger, A, "copy.txt")
    new = add(ledger, B, "report.txt", path)
    assert ledger.claim("w", 60) is not None
    assert ledger.ready(new.id, "w", pages=1, chunks=1)
    kept = ledger.get(old.id)
    assert (kept.state, kept.names) == (DocumentState.READY, ("copy.txt",))


def test_failed_document_is_queued_again_by_the_same_file(ledger: Ledger) -> None:
    document = add(ledger)
    assert ledger.claim("w", 60) is not None
    ledger.fail(document.id, "w", code="corrupt", reason="damaged")
    again = add(ledger)
    assert (again.state, again.reason) == (DocumentState.QUEUED, None)


def test_list_filters_and_searches_names(ledger: Ledger) -> None:
    add(ledger, A, "Annual Report.pdf")
    add(ledger, B, "notes.txt")
    assert [d.name for d in ledger.list(search="report")] == ["Annual Report.pdf"]
    assert len(ledger.list(states=[DocumentState.QUEUED])) == 2
    assert ledger.list(states=[DocumentState.READY]) == []
    assert len(ledger.list(limit=1, offset=1)) == 1


def test_generation_grows_when_what_can_be_found_changes(ledger: Ledger) -> None:
    before = ledger.generation()
    document = make_ready(ledger)
    middle = ledger.generation()
    ledger.request_delete(document.id)
    assert before < middle < ledger.generation()


def test_generation_grows_when_a_file_was_taken_away(ledger: Ledger) -> None:
    """Otherwise a cached answer would still cite it."""
    path = Path("/data/raw/by-hand.txt")
    make_ready(ledger, source=path)
    before = ledger.generation()
    ledger.file_gone(Path("/data/raw/never-was.txt"))
    assert ledger.generation() == before
    ledger.file_gone(path)
    assert ledger.generation() > before


def _claim_all(path: Path, owner: str, found: multiprocessing.Queue[list[str]]) -> None:
    ledger = Ledger(path)
    mine = []
    while job := ledger.claim(owner, 60):
        mine.append(job.document.id)
        ledger.ready(job.document.id, owner, pages=1, chunks=1)
    ledger.close()
    found.put(mine)


def test_two_processes_never_hold_the_same_document(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    ledger = Ledger(path)
    for number in range(60):
        add(ledger, f"{number:064x}"[::-1], f"{number}.txt")
    ledger.close()
    context = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=_claim_all, args=(path, name, found)) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    claimed = found.get(timeout=60) + found.get(timeout=60)
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 60
