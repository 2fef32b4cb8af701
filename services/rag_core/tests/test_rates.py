"""How fast a model reads, from what it reported."""

from __future__ import annotations

import math

from rag_core.answering import prompt
from rag_core.answering.rates import ReadingRates

SMALL, LARGE = ("small", 1), ("large", 1)


def test_nothing_is_known_of_a_model_that_has_read_nothing() -> None:
    rates = ReadingRates()
    assert (rates.rate(SMALL), rates.seconds_of(SMALL, 500)) == (None, None)
    assert rates.tokens_in(SMALL, 5) == math.inf


def test_each_model_has_its_own_rate() -> None:
    rates = ReadingRates()
    rates.note(SMALL, 1000, 5)
    rates.note(LARGE, 1000, 50)
    assert (rates.tokens_in(SMALL, 2), rates.tokens_in(LARGE, 2)) == (400, 40)
    assert rates.seconds_of(LARGE, 100) == 5


def test_each_number_of_threads_has_its_own_rate() -> None:
    rates = ReadingRates()
    rates.note(SMALL, 1000, 5)
    assert rates.rate(("small", 2)) is None


def test_one_answer_on_a_busy_host_does_not_move_the_rate_and_lasting_change_does() -> None:
    rates = ReadingRates()
    for _ in range(8):
        rates.note(SMALL, 1000, 5)
    rates.note(SMALL, 1000, 100)
    assert rates.rate(SMALL) == 200
    for _ in range(8):
        rates.note(SMALL, 1000, 100)
    assert rates.rate(SMALL) == 10


def test_a_prompt_that_the_model_knew_says_nothing() -> None:
    rates = ReadingRates()
    rates.note(SMALL, 12, 0.001)
    rates.note(SMALL, 500, 0.0)
    assert rates.rate(SMALL) is None


def test_what_is_new_of_a_prompt_is_what_stands_behind_the_shared_beginning() -> None:
    rules = {"role": "system", "content": "r" * 100}
    first = [rules, {"role": "user", "content": "a" * 100}]
    other = [rules, {"role": "user", "content": "b" * 100}]
    assert prompt.new_share(first, ()) == 1
    assert prompt.new_share(other, first) == 0.5
    assert prompt.new_share(first, first) == 0
    assert prompt.new_share([*first, {"role": "user", "content": "c" * 200}], first) == 0.5
