"""How bench.latency reads the events of an answer, without a deployment."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from bench.latency import Heard, Seen, figures_of, heard, rows

Event = tuple[str, dict[str, Any]]
QUOTES: Event = ("retrieved", {"quotes": [{}]})
NO_QUOTES: Event = ("retrieved", {"quotes": []})
WORD: Event = ("token", {"text": "Yes"})
CITED: Event = ("done", {"citations": [{}], "tokens": {"prompt": 600, "answer": 9}})
UNCITED: Event = ("done", {"citations": [], "tokens": None})


def told(events: list[Event]) -> Heard:
    """Read these events from a clock that advances by a second at each look."""
    clock = itertools.count(1)
    return heard(events, lambda: float(next(clock)))


def test_the_first_cited_line_is_the_first_quote() -> None:
    assert told([QUOTES, WORD, WORD, CITED]) == Heard(quoted=1, first=2, whole=3, tokens=600)


def test_a_search_without_quotes_cites_no_line_yet() -> None:
    """The sources below the answer are then the first cited lines."""
    assert told([NO_QUOTES, WORD, CITED]) == Heard(quoted=2, first=1, whole=3, tokens=600)


def test_an_answer_that_cites_nothing_has_no_cited_line() -> None:
    seen = Seen()
    seen.add(told([NO_QUOTES, UNCITED]))
    seen.add(told([QUOTES, WORD, CITED]))
    assert (seen.quoted, seen.first, seen.whole) == ([1.0], [1.0, 2.0], [1.0, 3.0])
    assert figures_of(1, seen, {})[0].note == "1 of 2 answers cite none"


def test_a_crowd_without_a_cited_line_is_shown_all_the_same() -> None:
    seen = Seen()
    for _ in range(2):
        seen.add(told([NO_QUOTES, UNCITED]))
    assert math.isnan(figures_of(1, seen, {})[0].value)
    assert rows({1: seen})[0].startswith("| 1 | nan s, nan s | 1.00 s, 1.00 s |")


def test_an_error_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="error"):
        told([QUOTES, ("error", {"code": "ollama_unavailable"})])
