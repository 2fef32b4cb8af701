"""Each remote model answers several questions at once; those that fall back to this host go one by one.

The models are a real server that speaks their APIs; only the search is replaced.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.backend import Backend
from rag_app.errors import Busy
from rag_app.gate import Waiting
from rag_app.settings import AppSettings
from rag_app.ui.ask import _written
from rag_core import factory
from rag_core.models import Answer, AnswerEvent, Done, Reading, Retrieved, Switched
from rag_core.retrieval.retriever import Retriever
from services.rag_core.tests.ladder import BIG, QUESTION, Finding, Server
from services.rag_core.tests.openai_server import Handler, serving

SOON = 5.0
Event = AnswerEvent | Waiting
MakeBackend = Callable[..., Backend]


@pytest.fixture
def server() -> Iterator[Server]:
    """The remote and the local model."""
    with serving() as openai:
        yield Server(openai)


@pytest.fixture
def make_backend(
    server: Server, make_settings: Callable[..., AppSettings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeBackend]:
    """A backend whose first model is remote."""
    monkeypatch.setattr(factory, "build_retriever", lambda *_: cast("Retriever", Finding("")))
    made: list[Backend] = []

    def make(*, parallel: int = 2, **changed: object) -> Backend:
        settings = make_settings(
            ollama_model="big",
            ollama_fallback_model="small",
            ollama_base_url=server.openai.address,
            remote_base_url=server.openai.address,
            remote_models=(BIG.model_copy(update={"parallel": parallel}),),
            **changed,
        )
        made.append(Backend.of(settings))
        return made[-1]

    yield make
    for backend in made:
        with closing(backend.answerer), closing(backend.ledger):
            backend.remote_tokens.close()


def ask(backend: Backend, questions: int) -> list[list[Event]]:
    """Ask several questions at once; returns the events of each."""

    async def one() -> list[Event]:
        return [event async for event in backend.ask(QUESTION.model_copy(update={"fresh": True}))]

    async def story() -> list[list[Event]]:
        return await asyncio.gather(*(one() for _ in range(questions)))

    return asyncio.run(story())


def answer(events: list[Event]) -> Answer:
    """The answer that they end with."""
    done = events[-1]
    assert isinstance(done, Done)
    return done.answer


def ahead(events: list[Event]) -> list[int]:
    """The places in the queue."""
    return [event.ahead for event in events if isinstance(event, Waiting)]


class Together:
    """Counts how many requests are with a model at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __call__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.1)
        with self._lock:
            self._now -= 1


def test_questions_to_a_remote_model_run_at_the_same_time(make_backend: MakeBackend, server: Server) -> None:
    both = threading.Barrier(2, timeout=SOON)

    def slow(handler: Handler, slug: str) -> None:
        both.wait()
        handler.answer(["Forty metres."])

    server.remote = slow
    found = ask(make_backend(), 2)
    assert [answer(events).model for events in found] == ["big", "big"]
    assert [ahead(events) for events in found] == [[], []]


def test_no_more_run_at_the_same_time_than_the_settings_say(
    make_backend: MakeBackend, server: Server
) -> None:
    together = Together()

    def slow(handler: Handler, slug: str) -> None:
        together()
        handler.answer(["Forty metres."])

    server.remote = slow
    backend = make_backend()
    found = ask(backend, 5)
    assert (together.most, {answer(events).model for events in found}) == (2, {"big"})
    assert sorted(len(ahead(events)) for events in found)[:3] == [0, 0, 2]
    assert backend.routes.length == 0


def test_questions_that_fall_back_to_this_host_run_one_after_the_other(
    make_backend: MakeBackend, server: Server
) -> None:
    both = threading.Barrier(2, timeout=SOON)

    def away(handler: Handler, slug: str) -> None:
        both.wait()
        handler.refuse(503, "away")

    server.remote, server.on_local = away, (together := Together())
    backend = make_backend()
    found = ask(backend, 2)
    assert (together.most, {answer(events).model for events in found}) == (1, {"small"})
    assert sorted(ahead(events) for events in found) == [[], [1, 0]]
    assert backend.routes.length == 0


def test_a_question_that_falls_back_to_a_full_queue_is_refused_with_a_time_to_return(
    make_backend: MakeBackend, server: Server
) -> None:
    server.remote = lambda handler, slug: handler.refuse(503, "away")
    backend = make_backend(ask_waiting=0)
    holder = backend.routes.here.enter()
    with pytest.raises(Busy) as refused:
        ask(backend, 1)
    assert int(refused.value.headers["Retry-After"]) > 0
    assert backend.routes.length == 1
    backend.routes.here.leave(holder, None)


def test_a_remote_model_waits_for_no_searches(
    make_backend: MakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves the processors of this host to them."""
    monkeypatch.setattr("rag_app.backend._SEARCHES_FIRST_SECONDS", 4 * SOON)
    backend = make_backend()
    began = time.monotonic()
    with backend.searches.one():
        assert answer(ask(backend, 1)[0]).model == "big"
    assert time.monotonic() - began < SOON


def test_a_full_queue_refuses_questions_to_its_own_model_only(
    app: FastAPI, api: TestClient, make_backend: MakeBackend
) -> None:
    app.state.backend = backend = make_backend(parallel=1, ask_waiting=0)
    backend.routes.here.enter()
    asked = {"question": QUESTION.text, "fresh": True}
    assert api.post("/api/ask", json=asked).json()["model"] == "big"
    assert api.post("/api/ask", json={**asked, "model": "small"}).status_code == 503
    backend.routes.to("big").enter()
    refused = api.post("/api/ask", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) > 0


def test_the_page_shows_how_long_the_model_that_takes_over_reads() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Retrieved(passages=())
        yield Reading(model="big", passages=5, seconds=1.0)
        yield Switched(model="small", reason="away")
        yield Waiting(1, 15.0)
        yield Waiting(0, 0.0)
        yield Reading(model="small", passages=2, seconds=7.2)

    async def story() -> list[str]:
        return [str(shown) async for shown in _written(events(), "How high?")]

    _, _, before, switched, waiting, turn, reads = asyncio.run(story())
    assert "Reading 5 passages, about 1 s" in before
    for shown in (switched, turn, reads):
        assert "asking small" in shown
    assert "1 question before yours" in waiting
    assert "Reading 2 passages, about 7 s" in reads
