"""Throughput and time left count only the work itself; questions in flight are counted and never leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag_core.ledger import Ledger
from rag_core.models import DocumentKind, ReadingReport


def add(ledger: Ledger, letter: str, size: int) -> str:
    return ledger.enqueue(
        sha256=letter * 64, kind=DocumentKind.TEXT, size=size, name=letter, store=lambda known: Path(letter)
    ).id


def test_idle_ledger_has_nothing_left(ledger: Ledger) -> None:
    now = ledger.ingestion()
    assert (now.documents_left, now.chunks_left, now.seconds_left, now.paused) == (0, 0, None, None)


def test_time_left_follows_from_what_was_done_and_what_waits(ledger: Ledger, clock: Any) -> None:
    first = add(ledger, "a", 10_000)
    add(ledger, "b", 30_000)
    for _ in range(6):
        clock.now += 10
        ledger.worked(chunks=5, pages=1)
    assert ledger.claim("w", 60) is not None
    ledger.ready(first, "w", pages=6, chunks=30)
    now = ledger.ingestion()
    assert (now.documents_left, now.chunks_per_minute, now.pages_per_minute) == (1, 30.0, 6.0)
    assert (now.chunks_left, now.seconds_left) == (90, 180), "three times the size takes three times as long"


def test_rate_of_long_ago_says_nothing_of_now(ledger: Ledger, clock: Any) -> None:
    add(ledger, "a", 10_000)
    ledger.worked(chunks=100)
    clock.now += 200
    now = ledger.ingestion()
    assert (now.chunks_per_minute, now.seconds_left) == (0.0, None)


def test_questions_are_counted_while_they_run_and_forgotten_when_their_process_died(
    ledger: Ledger, clock: Any
) -> None:
    with ledger.asking(), ledger.asking():
        assert ledger.questions() == 2
    assert ledger.questions() == 0
    abandoned = ledger.asking()
    abandoned.__enter__()
    assert ledger.questions() == 1
    clock.now += 2 * 120 + 60
    assert ledger.questions() == 1, "two models may run into their timeout"
    clock.now += 200
    assert ledger.questions() == 0


def test_answer_that_is_given_up_lets_ingestion_go_on(ledger: Ledger) -> None:
    events = ledger.first(iter([1, 2, 3]))
    assert next(events) == 1
    assert ledger.questions() == 1
    events.close()  # type: ignore[attr-defined]
    assert ledger.questions() == 0


def test_note_is_kept_until_it_is_taken_away(ledger: Ledger) -> None:
    ledger.note("x", "one")
    ledger.note("x", "two")
    assert ledger.noted("x") == "two"
    ledger.note("x", None)
    assert ledger.noted("x") is None


@pytest.mark.parametrize("target", ["i-000002"])
def test_ready_documents_are_moved_one_by_one_and_stay_ready(ledger: Ledger, target: str) -> None:
    one = add(ledger, "a", 1)
    assert ledger.claim("w", 60) is not None
    ledger.ready(one, "w", pages=1, chunks=1, home="i-000001")
    ledger.begin_rebuild(target)
    assert ledger.stale(target) == 1
    job = ledger.claim_stale("w", 60, target)
    assert job is not None
    assert ledger.visible([one]) == {one: "a"}
    assert ledger.claim_stale("w", 60, target) is None, "the lease holds"
    assert ledger.moved(one, "w", pages=1, chunks=3, home=target, report=ReadingReport())
    assert ledger.stale(target) == 0
    ledger.begin_rebuild(target)
    assert ledger.stale(target) == 1, "a new index of an old name is empty"
