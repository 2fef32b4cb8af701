"""When a remote model fails, the next one answers; the answer says where it was written and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from rag_core import factory, health
from rag_core.answering.answerer import Answerer
from rag_core.index.embed import Contract
from rag_core.index.hits import Findings
from rag_core.index.reader import IndexReader
from rag_core.models import Answer, AnswerEvent, Done, Passage, Question, Switched
from rag_core.remote.model import RemoteModel
from rag_core.retrieval.retriever import Found, Retriever
from rag_core.settings import RagSettings
from services.rag_core.tests.openai_server import Handler, OpenAi, serving

HOST = "models.example.org"
BIG = RemoteModel(name="big", slug="big", model="gpt-big", host=HOST)
LARGE = RemoteModel(name="large", slug="large", model="gpt-large", host="other.example.org")
LAMP = Passage(
    document_id="d",
    document="d.pdf",
    title="Lamp",
    page_start=1,
    page_end=1,
    text="The lamp of the lighthouse stands forty metres above the sea.",
    score=0.1,
    similarity=0.9,
)
QUESTION = Question(text="How high does the lamp of the lighthouse stand above the sea?")
MakeAnswerer = Callable[..., Answerer]


class Finding:
    """A retriever that finds one passage."""

    def __init__(self, remark: str) -> None:
        self.found = Found(passages=(LAMP,), words={"lamp": 1}, by_meaning=not remark, remark=remark)

    def checked(self, text: str) -> str:
        return text

    def find(self, *_: Any, **__: Any) -> Found:
        return self.found

    def generation(self) -> str:
        return "1"

    def close(self) -> None:
        """Nothing is open."""


class Server:
    """Ollama and the proxy at one address: `remote` answers for remote models, `local` is Ollama's answer."""

    def __init__(self, openai: OpenAi) -> None:
        self.openai = openai
        self.local: str | None = "Forty metres [1]."
        self.remote: Callable[[Handler, str], None] = lambda handler, slug: handler.answer(["Forty metres."])
        openai.reply = self.reply

    def reply(self, handler: Handler, asked: dict[str, Any]) -> None:
        if not handler.path.startswith("/api/"):
            self.remote(handler, handler.path.split("/")[1])
        elif handler.path == "/api/chat" and self.local is not None:
            message = {"role": "assistant", "content": self.local}
            handler.whole(200, {"message": message, "done": True, "prompt_eval_count": 200, "eval_count": 3})
        else:
            handler.whole(404, {"error": "model not found"})


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
    make_settings: Callable[..., RagSettings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeAnswerer]:
    made: list[Answerer] = []

    def make(*, remark: str = "", **changed: Any) -> Answerer:
        monkeypatch.setattr(factory, "build_retriever", lambda *_: cast("Retriever", Finding(remark)))
        made.append(factory.build_answerer(make_settings(**changed)))
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
    make_answerer: MakeAnswerer, server: Server
) -> None:
    healthy, server.remote = server.remote, lambda handler, slug: handler.refuse(429, "slow down")
    answerer = make_answerer()
    assert asked(answerer)[1].model == "small"
    server.remote = healthy
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
    monkeypatch.setitem(globals(), "LAMP", LAMP.model_copy(update={"text": text}))
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


def test_a_start_asks_no_remote_model_for_anything(make_answerer: MakeAnswerer, server: Server) -> None:
    make_answerer(embedding_model_name="large").warm()
    assert server.openai.asked == []


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
