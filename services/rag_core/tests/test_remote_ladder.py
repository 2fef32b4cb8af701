"""When a remote model fails, the next one answers; the answer says where it was written and what failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from rag_core import factory, health
from rag_core.answering.answerer import Answerer
from rag_core.answering.aside import Aside
from rag_core.index.embed import Contract
from rag_core.index.hits import Findings
from rag_core.index.reader import IndexReader
from rag_core.models import Answer, AnswerEvent, Done, Reading, Retrieved, Switched, Token
from rag_core.remote.model import RemoteModel
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings
from services.rag_core.tests import ladder
from services.rag_core.tests.conftest import Clock
from services.rag_core.tests.ladder import BIG, HOST, LARGE, QUESTION, Finding, Server
from services.rag_core.tests.openai_server import Handler, serving

MakeAnswerer = Callable[..., Answerer]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as openai:
        yield Server(openai)


@pytest.fixture
def make_settings(server: Server, tmp_path: Path) -> Callable[..., RagSettings]:
    def make(**changed: Any) -> RagSettings:
        given = {
            "ollama_base_url": server.openai.address,
            "ollama_model": "big",
            "ollama_fallback_model": "small",
            "remote_base_url": server.openai.address,
            "remote_models": (BIG, LARGE),
            "ledger_path": tmp_path / "ledger.sqlite3",
        }
        return RagSettings.model_validate(given | changed)

    return make


@pytest.fixture
def make_answerer(
    make_settings: Callable[..., RagSettings], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[MakeAnswerer]:
    made: list[Answerer] = []

    def make(*, remark: str = "", **changed: Any) -> Answerer:
        monkeypatch.setattr(factory, "build_retriever", lambda *_: cast("Retriever", Finding(remark)))
        settings = make_settings(**changed)
        made.append(factory.build_answerer(settings))
        made[-1]._aside = Aside(settings.hosts, clock)
        return made[-1]

    yield make
    for one in made:
        one.close()


def asked(answerer: Answerer, **more: Any) -> tuple[list[Switched], Answer]:
    """Ask the question; returns the switches of the model and the answer."""
    events: list[AnswerEvent] = list(answerer.ask(QUESTION.model_copy(update=more)))
    done = events[-1]
    assert isinstance(done, Done)
    return [event for event in events if isinstance(event, Switched)], done.answer


def test_an_answer_of_a_remote_model_names_its_host(make_answerer: MakeAnswerer) -> None:
    switched, answer = asked(make_answerer())
    assert switched == []
    assert (answer.model, answer.host, answer.degraded, answer.remarks) == ("big", HOST, False, ())
    assert answer.tokens is not None
    assert answer.tokens.prompt == 20


def test_an_answer_of_a_local_model_names_none(make_answerer: MakeAnswerer) -> None:
    _, answer = asked(make_answerer(), model="small")
    assert (answer.model, answer.host, answer.remarks) == ("small", None, ())


def broken(handler: Handler) -> None:
    handler.begin()
    handler.piece("Thirty ")
    handler.cut()


FAULTS: dict[str, tuple[Callable[[Handler], None], str]] = {
    "key refused": (lambda handler: handler.refuse(401, "bad key"), "refuses the key"),
    "too many requests": (lambda handler: handler.refuse(429, "slow down"), "takes no more requests"),
    "server fault": (lambda handler: handler.refuse(500, "oops"), "failed"),
    "cut in the middle": (broken, "broke"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_local_model_answers_when_the_remote_one_fails_and_the_reason_is_said(
    name: str, make_answerer: MakeAnswerer, server: Server
) -> None:
    fault, words = FAULTS[name]
    server.remote = lambda handler, slug: fault(handler)
    [switched], answer = asked(make_answerer())
    assert (switched.model, switched.host, words in switched.reason) == ("small", None, True)
    assert answer.answer.startswith("Forty metres")
    assert (answer.model, answer.host, answer.reason) == ("small", None, "fallback_model")
    [remark] = answer.remarks
    assert words in remark
    assert remark.endswith(".")


def test_an_empty_answer_of_a_remote_model_is_said(make_answerer: MakeAnswerer, server: Server) -> None:
    server.remote = lambda handler, slug: handler.answer([], finish="length")
    [switched], answer = asked(make_answerer())
    assert (switched.model, answer.model, answer.reason) == ("small", "small", "fallback_model")
    [remark] = answer.remarks
    assert remark == (
        f"{HOST} gave an empty answer for 'big': its tokens were used up before the first word."
    )


def test_an_answer_that_a_remote_model_failed_to_give_is_not_remembered(
    make_answerer: MakeAnswerer, server: Server, clock: Clock
) -> None:
    healthy, server.remote = server.remote, lambda handler, slug: handler.refuse(429, "slow down")
    answerer = make_answerer()
    assert asked(answerer)[1].model == "small"
    server.remote = healthy
    assert not asked(answerer)[1].cached
    clock.now += 61
    assert asked(answerer)[1].model == "big"
    assert asked(answerer)[1].cached


def test_a_remote_model_that_stands_in_is_named_with_its_host(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    server.local = None
    [switched], answer = asked(make_answerer(ollama_model="small", ollama_fallback_model="large"))
    assert (switched.model, switched.host) == ("large", LARGE.host)
    assert (answer.model, answer.host, answer.remarks) == ("large", LARGE.host, ())


def test_with_no_model_left_the_passages_are_the_answer_and_every_reason_is_said(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    server.remote = lambda handler, slug: handler.refuse(503, "away")
    _, answer = asked(make_answerer(ollama_fallback_model="large"))
    assert (answer.model, answer.reason) == (None, "no_model")
    assert [name in remark for name, remark in zip(("big", "large"), answer.remarks, strict=True)] == [
        True
    ] * 2


def test_passages_without_blanks_are_an_answer_too(
    make_answerer: MakeAnswerer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "The lamp " + "灯台の灯火は海面から四十メートルの高さにあり、" * 30
    monkeypatch.setattr(ladder, "LAMP", ladder.LAMP.model_copy(update={"text": text}))
    server.remote = lambda handler, slug: handler.refuse(503, "away")
    _, answer = asked(make_answerer(ollama_fallback_model="large"))
    quoted = answer.answer.rpartition("\n\n")[2]
    assert len(quoted) > 380
    assert quoted.removesuffix(" … [1]") in text


def test_a_model_whose_day_is_used_up_leaves_the_answer_to_the_local_one(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    budget = BIG.model_copy(update={"tokens_per_day": 2000})
    server.remote = lambda handler, slug: handler.answer(["Forty metres."], read=1990, written=10)
    answerer = make_answerer(remote_models=(budget,))
    assert asked(answerer, fresh=True)[1].model == "big"
    [switched], answer = asked(answerer, fresh=True)
    assert (answer.model, "2,000 of its 2,000 tokens" in switched.reason) == ("small", True)
    assert "00:00 UTC" in answer.remarks[0]
    assert server.openai.paths.count("/big/chat/completions") == 1


def test_a_search_by_words_alone_is_said(make_answerer: MakeAnswerer) -> None:
    _, answer = asked(make_answerer(remark="models.example.org is away"))
    assert answer.remarks == ("Searched by words alone: models.example.org is away.",)


def test_one_prompt_fits_every_model_of_the_ladder(make_answerer: MakeAnswerer, server: Server) -> None:
    small = BIG.model_copy(update={"window": 2048})
    asked(make_answerer(remote_models=(small,), answer_context_tokens=1000, ollama_num_ctx=4096))
    assert server.openai.paths[0] == "/big/chat/completions", "it was not too long"


def test_a_start_asks_no_remote_model_and_measures_the_local_one_that_stands_in(
    make_answerer: MakeAnswerer, make_settings: Callable[..., RagSettings], server: Server
) -> None:
    """Unmeasured, it would use the fewest threads and be loaded by the first question that needs it."""
    make_answerer(embedding_model_name="large").warm()
    assert set(server.openai.paths) == {"/api/chat"}
    assert {one["model"] for one in server.openai.asked} == {"small"}
    tried = {one["options"]["num_thread"] for one in server.openai.asked}
    assert tried == set(make_settings().answer_threads)


def test_with_remote_models_only_a_start_asks_nobody(make_answerer: MakeAnswerer, server: Server) -> None:
    make_answerer(embedding_model_name="large", ollama_fallback_model="large").warm()
    assert server.openai.asked == []


# --- a model that is away -----------------------------------------------------------------------


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


# --- the search ---------------------------------------------------------------------------------


class Index:
    """An empty index made by a remote embedder."""

    def stored_contract(self) -> Contract:
        return Contract(model="big", digest=BIG.identity, dimension=2, chunk_tokens=240)

    def demand(self, contract: Contract) -> None:
        assert contract.space == self.stored_contract().space

    def search(self, *_: Any, **__: Any) -> Findings:
        return Findings(hits=(), words={})

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("fails", [False, True])
def test_without_a_vector_words_alone_are_searched_and_the_reason_is_kept(
    make_settings: Callable[..., RagSettings], server: Server, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(handler: Handler, slug: str) -> None:
        if fails:
            handler.refuse(401, "bad key")
        else:
            handler.vectors(server.openai.asked[-1]["input"])

    server.remote = reply
    monkeypatch.setattr(factory, "build_index", lambda *_: cast("IndexReader", Index()))
    settings = make_settings(ollama_model="small", embedding_model_name="big")
    ledger = factory.build_ledger(settings)
    with closing(factory.build_retriever(settings, ledger)) as retriever, closing(ledger):
        found = retriever.find("How high?")
    assert found.by_meaning is not fails
    assert ("refuses the key" in found.remark) is fails


# --- settings and health ------------------------------------------------------------------------


def test_remote_models_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOTE_MODELS", f"[{BIG.model_dump_json()}]")
    monkeypatch.setenv("REMOTE_BASE_URL", "http://remote:11435/")
    settings = RagSettings()
    assert (settings.remote_models, settings.remote_base_url) == ((BIG,), "http://remote:11435")
    monkeypatch.setenv("REMOTE_MODELS", "")
    assert RagSettings().remote_models == ()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ((BIG, BIG), "same name"),
        ((BIG, LARGE.model_copy(update={"slug": "big"})), "same slug"),
        ((BIG.model_copy(update={"window": 1000}),), "window of the"),
    ],
)
def test_remote_models_that_cannot_work_are_refused(models: tuple[RemoteModel, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RagSettings(ollama_model="big", remote_models=models)


def test_health_asks_no_remote_model_for_anything(
    make_settings: Callable[..., RagSettings], server: Server
) -> None:
    report = health.check(make_settings(), timeout=2)
    assert (report.models["big"], report.remote is not None and report.remote.detail) == (True, HOST)
    assert "large" not in report.models, "no setting names it"
    assert server.openai.asked == []


def test_health_says_when_the_way_to_remote_models_is_closed(
    make_settings: Callable[..., RagSettings],
) -> None:
    report = health.check(make_settings(remote_base_url="http://127.0.0.1:9"), timeout=2)
    assert (report.models["big"], report.ok) == (False, False)
    assert report.remote is not None
    assert "the proxy to remote models does not answer" in report.remote.detail


def test_without_remote_models_health_asks_for_no_proxy(
    make_settings: Callable[..., RagSettings],
) -> None:
    report = health.check(make_settings(remote_models=(), ollama_model="small"), timeout=2)
    assert report.remote is None
