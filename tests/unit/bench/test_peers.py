"""How bench.peers evaluates the events of two systems, without running either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.peers import system
from bench.peers.__main__ import compared
from bench.peers.open_webui import events
from bench.peers.system import Event, felt

LOADS = "Loads the model"
WORD: Event = "word"


class Clock:
    """A clock that advances only when an answer says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """The current time of this clock."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The benchmark's clock."""
    one = Clock()
    monkeypatch.setattr(system, "time", one)
    return one


def asked(clock: Clock, answers: dict[str, list[tuple[float, Event]]]) -> system.Felt:
    """Measure these answers, after one that takes a minute because it loads the model."""

    def ask(question: str) -> Iterator[Event]:
        for seconds, event in answers[question] if question != LOADS else [(60.0, WORD)]:
            clock.now += seconds
            yield event

    return felt(ask, [LOADS, *answers])


def test_the_first_line_and_word_count_and_the_first_question_does_not(clock: Clock) -> None:
    """Later lines and words arrive while the reader reads."""
    found = asked(clock, {"Q": [(1, "line"), (1, "line"), (3, "word"), (9, "word")]})

    assert (found.line, found.word, found.without) == (1, 5, 0)


def test_a_word_before_any_line_is_the_first_line(clock: Clock) -> None:
    """Sources that follow the answer are not what a reader sees first."""
    assert asked(clock, {"Q": [(4, "word"), (1, "line")]}).line == 4


def test_an_answer_without_the_model_is_counted_apart(clock: Clock) -> None:
    """A refusal is quick and has no first word."""
    found = asked(clock, {"refused": [(1, "line")], "answered": [(2, "line"), (5, "word")]})

    assert (found.line, found.word, found.without) == (2, 7, 1)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"sources": [{"document": ["A line."]}]}, ["line"]),
        ({"sources": []}, []),
        ({"choices": [{"delta": {"content": "Yes"}}]}, ["word"]),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, []),
        ({"choices": [], "usage": {"total_tokens": 9}}, []),
    ],
)
def test_only_text_of_documents_or_of_the_model_is_shown(
    message: dict[str, object], shown: list[Event]
) -> None:
    """A role or a count is not text to read."""
    assert list(events(message)) == shown


def test_an_error_in_the_stream_ends_the_run() -> None:
    """A failed answer must not look like a quick one."""
    with pytest.raises(SystemExit, match="no model"):
        list(events({"error": {"detail": "no model"}}))


@pytest.mark.parametrize(
    ("ours", "theirs", "less", "place"),
    [(2, 1, False, "ahead"), (1, 2, True, "ahead"), (2, 1, True, "behind")],
)
def test_the_table_says_where_we_are_behind(ours: float, theirs: float, less: bool, place: str) -> None:
    """For times and sizes, less is better."""
    assert compared("what", ours, theirs, less=less).note.endswith(place)
