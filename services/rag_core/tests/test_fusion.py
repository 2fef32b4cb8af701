"""Several rankings made one."""

from __future__ import annotations

from rag_core.index.fusion import fused


def test_what_two_searches_find_comes_before_what_one_finds() -> None:
    order = list(fused([[("a", 3.0), ("b", 2.9)], [("c", 0.9), ("b", 0.89)]]))
    assert order[0] == "b"


def test_what_leads_one_search_by_far_is_not_lost_among_what_both_find_late() -> None:
    words = [("sure", 40.0), *((f"w{n}", 9.0 - n / 10) for n in range(39))]
    near = [(f"w{n}", 0.6 - n / 1000) for n in range(39)]
    assert list(fused([words, near])).index("sure") > 10, "by rank it is lost"
    assert list(fused([words, near], sure=words)).index("sure") == 1


def test_a_narrow_lead_decides_nothing() -> None:
    words = [("ahead", 10.0), *((f"w{n}", 9.0 - n / 10) for n in range(39))]
    near = [(f"w{n}", 0.6 - n / 1000) for n in range(39)]
    assert fused([words, near], sure=words) == fused([words, near])


def test_a_search_that_finds_nothing_decides_nothing() -> None:
    assert list(fused([[], [("a", 1.0)], []])) == ["a"]
    assert fused([[], []]) == {}
