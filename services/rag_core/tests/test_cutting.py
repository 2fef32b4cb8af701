"""Text is cut where it hurts least, in any language."""

from __future__ import annotations

import pytest

from rag_core.text import cutting

MOST = 50


def test_a_short_text_stays_as_it_is() -> None:
    text = "x" * MOST
    assert cutting.shortened(text, MOST) == text


def test_a_text_is_cut_between_words() -> None:
    assert cutting.shortened("word " * 20, MOST) == "word " * 9 + "word …"


def test_a_blank_near_the_beginning_is_no_place_to_cut() -> None:
    text = "第3章 " + "灯台" * 40
    assert cutting.shortened(text, MOST) == f"{text[:MOST]} …"


@pytest.mark.parametrize("sign", ["e\u0301", "กี่", "नि", "👩\u200d🔧", "👍🏽", "e" + "\u0301" * 4])
@pytest.mark.parametrize("before", range(7))
def test_no_sign_is_cut_in_two(sign: str, before: int) -> None:
    text = "x" * before + sign * MOST
    cut = cutting.shortened(text, MOST).removesuffix(" …")
    assert text.startswith(cut)
    assert (len(cut) - before) % len(sign) == 0
    assert len(cut) > MOST * 3 // 4


def test_accents_without_end_are_cut_all_the_same() -> None:
    assert len(cutting.shortened("e" + "\u0301" * 200, MOST)) <= MOST + 2
