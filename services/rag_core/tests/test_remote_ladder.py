"""When a remote model fails, the next one answers; the answer says where it was written and what failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

import pytest

from rag_core import factory
from rag_core.index.embed import Contract
from rag_core.index.hits import Findings
from rag_core.index.reader import IndexReader
from rag_core.retrieval.retriever import Found
from rag_core.settings import RagSettings
from services.rag_core.tests import ladder
from services.rag_core.tests.conftest import Clock
from services.rag_core.tests.openai_server import Handler

from .ladder import BIG, HOST, LARGE, MakeAnswerer, Server, asked
from .ladder import make_answerer as make_answerer
from .ladder import make_settings as make_settings
from .ladder import server as server


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


def test_a_local_model_that_was_chosen_leaves_no_text_to_a_remote_one(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    server.local = None
    _, answer = asked(make_answerer(), model="small")
    assert (answer.model, answer.reason) == (None, "no_model")
    assert "/big/chat/completions" not in server.openai.paths


def test_the_first_word_is_that_of_the_model_that_answers(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    """Not the word that a model wrote before its server broke off."""
    server.remote = lambda handler, slug: broken(handler)
    server.on_local = lambda: time.sleep(0.3)
    _, answer = asked(make_answerer())
    assert answer.timings.first_token is not None
    assert answer.timings.first_token >= 0.3


def test_a_cut_answer_of_another_local_model_says_that_the_first_one_failed(
    make_answerer: MakeAnswerer, server: Server
) -> None:
    healthy = server.reply

    def reply(handler: Handler, asked: dict[str, Any]) -> None:
        if asked.get("model") == "first":
            handler.whole(404, {"error": "model not found"})
        else:
            healthy(handler, asked)

    server.openai.reply = reply
    server.local = "The lamp stands high above the sea and the waves below it. " * 6
    _, answer = asked(make_answerer(ollama_model="first"))
    assert (answer.model, answer.reason, answer.degraded) == ("small", "cut_by_repetition", True)
    assert answer.remarks == ("The first model did not answer; small did.",)


def test_an_answer_of_an_older_state_of_the_documents_is_not_kept_for_the_newer_one(
    make_answerer: MakeAnswerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document became ready between the search and the answer, which says that none holds anything."""
    states = iter(["before", *["after"] * 5])
    monkeypatch.setattr(ladder.Finding, "generation", lambda self: next(states))
    monkeypatch.setattr(ladder.Finding, "find", lambda self, *_, **__: Found())
    answerer = make_answerer()
    assert asked(answerer)[1].reason == "no_relevant_passage"
    assert not asked(answerer)[1].cached
    assert asked(answerer)[1].cached


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
    _, answer = asked(answerer, fresh=True)
    # No other time is given.
    assert answer.remarks[0].endswith("tokens_per_day in ragdock_models is raised.")
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


@pytest.mark.parametrize(("status", "words"), [(None, ""), (401, "refuses the key"), (404, "does not know")])
def test_without_a_vector_words_alone_are_searched_and_the_reason_is_kept(
    make_settings: Callable[..., RagSettings],
    server: Server,
    status: int | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reply(handler: Handler, slug: str) -> None:
        if status:
            handler.refuse(status, "no")
        else:
            handler.vectors(server.openai.asked[-1]["input"])

    server.remote = reply
    monkeypatch.setattr(factory, "build_index", lambda *_: cast("IndexReader", Index()))
    settings = make_settings(ollama_model="small", embedding_model_name="big")
    ledger = factory.build_ledger(settings)
    with closing(factory.build_retriever(settings, ledger)) as retriever, closing(ledger):
        found = retriever.find("How high?")
    assert found.by_meaning is (status is None)
    assert bool(found.remark) is bool(words)
    assert words in found.remark
