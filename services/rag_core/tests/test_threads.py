"""The number of threads a model uses: the fastest on this host, and fewer while other work slows it down."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_core.answering.threads import Threads
from rag_core.ledger import Ledger

MODEL, OTHER = "small", "large"


class Host:
    """A host with a given answer time for each number of threads."""

    def __init__(self, counts: tuple[int, ...] = (1, 2), notes: Ledger | None = None) -> None:
        self.now = 0.0
        self.threads = Threads(counts, notes, lambda: self.now)
        self.seconds = {1: 6.0, 2: 4.0, 4: 3.0}

    def answer(self, model: str = MODEL, count: int | None = None) -> int:
        """Record one typical answer; returns the number of threads it used."""
        used = count or self.threads.of(model)
        half = self.seconds[used] / 2
        self.threads.note(model, used, (600, half), (100, half))
        return used

    def start(self) -> None:
        """Try each number of threads."""
        for count in self.threads.counts:
            self.answer(count=count)


@pytest.mark.parametrize(
    ("seconds", "quickest"),
    [({1: 6, 2: 4, 4: 3}, 4), ({1: 6, 2: 4, 4: 5}, 2), ({1: 3, 2: 4, 4: 5}, 1)],
)
def test_the_quickest_number_is_used(seconds: dict[int, float], quickest: int) -> None:
    host = Host((1, 2, 4))
    host.seconds = seconds
    host.start()
    assert [host.answer() for _ in range(3)] == [quickest] * 3


def test_while_others_hold_the_threads_up_fewer_are_used() -> None:
    host = Host()
    host.start()
    host.seconds[2] = 120
    assert [host.answer() for _ in range(4)] == [2, 1, 1, 1]
    host.seconds[2] = 4
    host.now += 61
    assert [host.answer() for _ in range(3)] == [2, 2, 2], "the others have ended"


def test_a_host_that_stays_busy_is_tried_less_and_less_often() -> None:
    host = Host()
    host.start()
    host.seconds[2] = 120
    tried = []
    for _ in range(24 * 60):
        tried.append(host.answer())
        host.now += 60
    assert tried.count(2) <= 12, "of a day's 1,440 answers"


def test_an_answer_that_was_not_written_in_its_time_counts_too() -> None:
    host = Host()
    host.start()
    host.threads.hung(2)
    assert host.threads.of(MODEL) == 1


def test_a_model_of_which_nothing_is_known_has_the_number_that_is_best_for_another() -> None:
    host = Host()
    host.start()
    assert host.threads.of(OTHER) == 2


def test_a_restart_tries_nothing_twice_and_retries_what_was_slower(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    before = Host(notes=ledger)
    assert before.threads.untried(MODEL) == (1, 2)
    before.start()
    before.seconds[2] = 120
    before.answer()
    again = Host(notes=ledger)
    assert again.threads.untried(MODEL) == ()
    assert again.answer() == 1
    again.now += 61
    assert [again.answer() for _ in range(2)] == [2, 2]


def test_another_instance_type_has_other_numbers_to_try(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    Host(notes=ledger).start()
    assert Host((2, 4), ledger).threads.untried(MODEL) == (4,)


def test_short_prompts_and_answers_say_nothing() -> None:
    host = Host()
    host.start()
    host.threads.note(MODEL, 2, (20, 9.0), (100, 1.0))
    host.threads.note(MODEL, 2, (600, 1.0), (3, 9.0))
    assert host.threads.of(MODEL) == 2


def test_where_the_number_is_set_it_stays() -> None:
    host = Host((2,))
    host.start()
    host.seconds[2] = 120
    assert [host.answer() for _ in range(3)] == [2, 2, 2]
