"""A remote model that fails is left out for a while, and one question tries it again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rag_core.answering.answerer import Answerer
from rag_core.models import Answer, AnswerEvent, Done, Reading, Retrieved, Switched, Token
from services.rag_core.tests.conftest import Clock
from services.rag_core.tests.openai_server import Handler

from .ladder import QUESTION, MakeAnswerer, Server, asked
from .ladder import make_answerer as make_answerer
from .ladder import make_settings as make_settings
from .ladder import server as server


def first(answerer: Answerer, **more: Any) -> tuple[Retrieved, list[Switched], Answer]:
    """Ask the question; returns the first event too."""
    events: list[AnswerEvent] = list(answerer.ask(QUESTION.model_copy(update=more)))
    found, done = events[0], events[-1]
    assert isinstance(found, Retrieved)
    assert isinstance(done, Done)
    return found, [event for event in events if isinstance(event, Switched)], done.answer


def readings(answerer: Answerer) -> list[Reading]:
    """Ask the question; return what each model was given to read."""
    return [event for event in answerer.ask(QUESTION) if isinstance(event, Reading)]


def requests(server: Server, slug: str = "big") -> int:
    """How many answers the remote model was asked for."""
    return server.openai.paths.count(f"/{slug}/chat/completions")


@pytest.mark.parametrize("status", [401, 404, 429, 500, 504])
def test_a_remote_model_that_fails_is_left_out_for_a_minute_and_then_asked_again(
    make_answerer: MakeAnswerer, server: Server, clock: Clock, status: int
) -> None:
    healthy, server.remote = server.remote, lambda handler, slug: handler.refuse(status, "no")
    answerer = make_answerer()
    found, switched, answer = first(answerer)
    assert (found.model, len(switched), answer.model, requests(server)) == ("big", 1, "small", 1)
    clock.now += 20
    found, switched, answer = first(answerer)
    assert (found.model, switched, answer.model, requests(server)) == ("small", [], "small", 1)
    assert (answer.degraded, answer.reason) == (True, "fallback_model")
    assert answer.remarks[0].endswith("; it is asked again in 40 s.")
    clock.now += 41
    server.remote = healthy
    found, switched, answer = first(answerer)
    assert (found.model, switched, answer.model, answer.remarks) == ("big", [], "big", ())


def test_a_prompt_that_a_server_refuses_leaves_the_model_in(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    server.remote = lambda handler, slug: handler.refuse(400, "not this text")
    answerer = make_answerer()
    assert [asked(answerer)[1].model for _ in range(2)] == ["small", "small"]
    assert requests(server) == 2


def test_a_server_that_says_when_to_come_back_is_asked_then(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    server.remote = lambda handler, slug: handler.refuse(429, "slow down", Retry_After="5")
    answerer = make_answerer()
    asked(answerer)
    clock.now += 4
    asked(answerer)
    assert requests(server) == 1
    clock.now += 2
    asked(answerer)
    assert requests(server) == 2


def test_no_server_keeps_its_model_out_for_longer_than_ten_minutes(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    server.remote = lambda handler, slug: handler.refuse(429, "slow down", Retry_After="86400")
    answerer = make_answerer()
    asked(answerer)
    clock.now += 601
    asked(answerer)
    assert requests(server) == 2


def test_a_question_in_a_hurry_says_nothing_about_the_server(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    def silent(handler: Handler, slug: str) -> None:
        clock.now += 0.2
        handler.silence()

    server.remote = silent
    answerer = make_answerer()
    assert asked(answerer, timeout=0.1)[1].model == "small"
    assert first(answerer, timeout=0.1)[0].model == "big"


def test_one_question_at_a_time_tries_a_model_again(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    server.remote = lambda handler, slug: handler.refuse(500, "oops")
    answerer = make_answerer()
    asked(answerer)
    clock.now += 61
    trying, go_on = threading.Event(), threading.Event()

    def slow(handler: Handler, slug: str) -> None:
        trying.set()
        assert go_on.wait(5)
        handler.answer(["Forty metres."])

    server.remote = slow
    with ThreadPoolExecutor(1) as other:
        tries = other.submit(asked, answerer)
        assert trying.wait(5)
        switched, answer = asked(answerer)
        go_on.set()
        assert tries.result()[1].model == "big"
    assert (switched, answer.model) == ([], "small")
    assert answer.remarks[0].endswith("another question is trying it again now.")
    assert asked(answerer)[1].model == "big"


def test_an_answer_that_is_stopped_while_it_tries_a_model_lets_the_next_one_try(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    healthy, server.remote = server.remote, lambda handler, slug: handler.refuse(500, "oops")
    answerer = make_answerer()
    asked(answerer)
    clock.now += 61
    server.remote = healthy
    events = answerer.ask(QUESTION)
    assert any(isinstance(event, Token) for event in events)
    events.close()
    assert first(answerer)[0].model == "big"


def test_prompt_and_time_are_those_of_the_model_that_reads(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    server.remote = lambda handler, slug: handler.refuse(500, "oops")
    answerer = make_answerer(ollama_num_thread=1)
    for reader, rate in ((("big", 0), 10_000), (("small", 1), 100)):
        answerer._rates.note(reader, 1000, 1000 / rate)
    big, small = readings(answerer)
    assert (big.model, big.passages, small.model, small.passages) == ("big", 1, "small", 1)
    assert big.seconds is not None
    assert small.seconds == pytest.approx(100 * big.seconds, rel=0.05)
    [again] = readings(answerer)
    assert again.model == "small"
    assert again.seconds == pytest.approx(small.seconds, rel=0.05)
