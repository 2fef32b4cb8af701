"""Which answers are cached, and which are dropped first."""

from __future__ import annotations

import pytest

from rag_core.answering.remembered import AnswerCache
from rag_core.models import Answer


def test_a_kept_answer_says_that_it_is_one() -> None:
    cache = AnswerCache(2)
    cache.put("a", Answer(answer="x"))
    kept = cache.get("a")
    assert kept is not None
    assert (kept.answer, kept.cached) == ("x", True)
    assert cache.get("b") is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(answer="x", degraded=True, reason="no_model"),
        Answer(answer="x", degraded=True, reason="fallback_model"),
        Answer(answer="x", reason="cut_by_time"),
    ],
)
def test_less_than_a_whole_answer_is_tried_again(answer: Answer) -> None:
    cache = AnswerCache(2)
    cache.put("a", answer)
    assert cache.get("a") is None


def test_a_model_that_goes_round_would_do_so_again() -> None:
    cache = AnswerCache(2)
    cache.put("a", Answer(answer="x", reason="cut_by_repetition"))
    assert cache.get("a") is not None


def test_the_longest_unused_goes_first_and_zero_keeps_none() -> None:
    cache = AnswerCache(2)
    for key in "ab":
        cache.put(key, Answer(answer=key))
    cache.get("a")
    cache.put("c", Answer(answer="c"))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    none = AnswerCache(0)
    none.put("a", Answer(answer="a"))
    assert none.get("a") is None
