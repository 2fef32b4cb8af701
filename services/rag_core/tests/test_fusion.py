"""Several rankings merged into one."""

from __future__ import annotations

import pytest

from rag_core.index.fusion import Leg, fused

MOST = 40
LATE = [(f"w{n}", 9.0 - n / 10) for n in range(MOST - 1)]
LATE_NEAR = [(f"w{n}", 0.6 - n / 1000) for n in range(MOST)]


def order(words: Leg = (), identifiers: Leg = (), meaning: Leg = (), *, says_all: bool = False) -> list[str]:
    return list(fused(words, identifiers, meaning, most=MOST, says_all=says_all))


def test_what_two_searches_find_comes_before_what_one_finds() -> None:
    assert order([("a", 3.0), ("b", 2.9)], meaning=[("c", 0.55), ("b", 0.54), ("d", 0.3)])[0] == "b"


def test_what_is_far_nearer_comes_first_though_another_is_found_twice() -> None:
    """With fusion by rank, a document 2nd in both searches beat any that only one search finds."""
    assert order([("a", 3.0), ("b", 2.0)], meaning=[("c", 0.7), ("b", 0.2)])[0] == "c"


def test_words_decide_where_nothing_is_near() -> None:
    """An English embedder places a question in another language at random."""
    assert order([("a", 9.0), ("b", 3.0)], meaning=[("c", 0.12), ("b", 0.10), ("d", 0.09)])[0] == "a"


def test_an_identifier_decides_between_two_that_are_alike() -> None:
    assert order([("a", 3.0), ("b", 2.9)], [("b", 5.0)], [("a", 0.5), ("b", 0.49)])[0] == "b"


def test_what_had_no_room_in_a_search_is_taken_for_its_last() -> None:
    full = [*LATE, ("last", 5.0)]
    scores = fused(full, [], [("w0", 0.5), ("new", 0.5)], most=MOST)
    assert scores["new"] == scores["last"], (
        "the one is last by words and unknown by meaning, the other vice versa"
    )


def test_what_a_search_with_room_did_not_find_has_nothing_of_it() -> None:
    scores = fused([("a", 3.0), ("b", 2.0)], [], [("a", 0.5), ("new", 0.5)], most=MOST)
    assert scores["b"] - scores["new"] == pytest.approx(2 / 3)


def test_what_leads_one_search_by_far_is_not_lost_among_what_both_find_late() -> None:
    words = [("sure", 40.0), *((name, 35.0 - n / 10) for n, (name, _) in enumerate(LATE))]
    near = [(name, 0.9 - n / 100) for n, (name, _) in enumerate(LATE)]
    words[1:] = [(name, score / 2) for name, score in words[1:]]
    assert order(words, meaning=near).index("sure") > 10, "the vectors place it last"
    assert order(words, meaning=near, says_all=True).index("sure") == 1


def test_a_narrow_lead_decides_nothing() -> None:
    words = [("ahead", 10.0), *LATE]
    assert order(words, meaning=LATE_NEAR, says_all=True) == order(words, meaning=LATE_NEAR)


def test_a_search_that_finds_nothing_decides_nothing() -> None:
    assert order([], [], [("a", 1.0)]) == ["a"]
    assert order() == []
