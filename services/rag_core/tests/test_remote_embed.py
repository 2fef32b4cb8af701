"""A remote embedder: one usable vector for each text, paid for and counted, or an error of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag_core.errors import BudgetUsed, RagError, RemoteBusy, RemoteUnavailable
from rag_core.ledger.remote_tokens import EMBED, RemoteTokens
from rag_core.remote.embed import RemoteEmbedder
from services.rag_core.tests.openai_server import Handler, OpenAi

from .remote_embeds import FAULTS, HOST, NAME, SECRET, embedding, giving, refusing, remote
from .remote_embeds import openai as openai


@pytest.fixture
def make(openai: OpenAi, tokens: RemoteTokens) -> Iterator[Callable[..., RemoteEmbedder]]:
    made: list[RemoteEmbedder] = []

    def one(*, address: str = "", timeout: float = 5, **about: Any) -> RemoteEmbedder:
        made.append(
            RemoteEmbedder(
                remote(**about),
                address=address or openai.address,
                timeout=timeout,
                batch=3,
                chunk_tokens=240,
                tokens=tokens,
            )
        )
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def embedder(make: Callable[..., RemoteEmbedder]) -> RemoteEmbedder:
    return make()


def test_each_text_gets_its_own_vector_in_batches(
    embedder: RemoteEmbedder, openai: OpenAi, tokens: RemoteTokens
) -> None:
    texts = ["a", "bb b", "ccc", "dddd"]
    assert embedder.embed(texts) == [[1.0, float(len(text))] for text in texts]
    assert [len(asked["input"]) for asked in openai.asked] == [3, 1]
    assert (openai.paths[0], openai.asked[0]["model"]) == ("/vectors-1/embeddings", "text-big")
    assert "authorization" not in openai.headers[0]
    assert tokens.totals() == {(NAME, EMBED): 5}


def test_the_contract_names_model_and_host_and_finds_the_dimension_once(
    embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    found = embedder.contract()
    assert (found.model, found.digest, found.dimension) == (NAME, f"text-big@{HOST}", 2)
    assert embedder.contract(NAME) == found
    assert len(openai.asked) == 1


@pytest.mark.parametrize("other", [{"model": "text-other"}, {"host": "elsewhere.example.org"}])
def test_another_model_or_host_makes_vectors_of_another_kind(
    make: Callable[..., RemoteEmbedder], other: dict[str, str]
) -> None:
    assert make().contract().space != make(**other).contract().space


def counting(number: object) -> dict[str, object]:
    return {"prompt_tokens": number, "total_tokens": number}


# What no index can hold; seen from servers that compute with too few bits or cut a text to nothing.
USELESS = {
    "not a number": [float("nan"), 1.0],
    "infinite": [float("inf"), 1.0],
    "zero": [0.0, 0.0],
    "zero as 32-bit floats": [1e-60, 0.0],
    "infinite as 32-bit floats": [1e300, 0.0],
    "empty": [],
    "integers of 400 digits": [10**400, 1],
    "null": None,
    "numbers that are null": [None, 1.0],
    "words": ["high", "low"],
}


@pytest.mark.parametrize("name", USELESS)
def test_a_vector_that_no_index_can_hold_is_a_fault_and_is_paid_for(
    name: str, embedder: RemoteEmbedder, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply = giving(USELESS[name])
    with embedder.within(None) as hasty, pytest.raises(RemoteUnavailable, match=HOST):
        hasty.embed(["a"])
    assert tokens.totals()[NAME, EMBED] >= len(openai.asked)


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": None}, "x", *map(counting, (10**20, -5, 0, 2.5, "2"))]
)
def test_vectors_outlast_whatever_the_server_counts_and_are_never_free(
    usage: object, embedder: RemoteEmbedder, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], usage=usage)
    assert embedder.embed(["a b"]) == [[1.0, 3.0]]
    assert 2 <= tokens.totals()[NAME, EMBED] < 100


def test_vectors_without_numbers_of_their_own_are_in_the_order_of_the_texts(
    embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    openai.reply = lambda handler, asked: handler.whole(
        200, {"data": [{"embedding": [1.0, float(len(text))]} for text in asked["input"]]}
    )
    assert embedder.embed(["a", "bb"]) == [[1.0, 1.0], [1.0, 2.0]]


def test_a_format_that_the_server_does_not_know_is_left_out(embedder: RemoteEmbedder, openai: OpenAi) -> None:
    def picky(handler: Handler, asked: dict[str, Any]) -> None:
        if "encoding_format" in asked:
            handler.refuse(400, "UnsupportedParamsError: this model does not support encoding_format")
        else:
            embedding(handler, asked)

    openai.reply = picky
    with embedder.within(None) as hasty:
        assert hasty.embed(["a"]) == [[1.0, 1.0]]
    assert embedder.embed(["a"]) == [[1.0, 1.0]]
    assert len(openai.asked) == 3


def test_questions_ask_for_the_dimension_once(embedder: RemoteEmbedder, openai: OpenAi) -> None:
    for question in ("How high?", "How deep?"):
        with embedder.within(None) as hasty:
            assert hasty.contract(NAME).dimension == 2
            hasty.embed([question])
    assert [asked["input"] for asked in openai.asked] == [["dimension"], ["How high?"], ["How deep?"]]


def test_a_size_that_changes_is_a_fault_once_and_then_another_contract(
    embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    embedder.contract()
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], size=3)
    with embedder.within(None) as hasty, pytest.raises(RemoteUnavailable, match="another size"):
        hasty.embed(["a"])
    with embedder.within(None) as hasty:
        assert hasty.contract().dimension == 3


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("0.5", 0.5), ("-1", 0.0), ("nan", None), ("inf", None), ("1e9", None), ("tomorrow", None)],
)
def test_a_wait_that_is_none_is_not_taken_from_the_server(
    asked: str, seconds: float | None, embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    openai.reply = refusing(429, retry_after=asked)
    with embedder.within(None) as hasty, pytest.raises(RemoteBusy) as caught:
        hasty.embed(["a"])
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_an_error_of_our_own(
    name: str, make: Callable[..., RemoteEmbedder], openai: OpenAi
) -> None:
    openai.reply, kind = FAULTS[name]
    with (
        make(timeout=0.3 if name == "silence" else 5).within(None) as hasty,
        pytest.raises(RagError) as caught,
    ):
        hasty.embed([SECRET])
    assert type(caught.value) is kind
    assert SECRET not in caught.value.message
    assert HOST in caught.value.message


def test_a_busy_server_is_waited_for_as_long_as_it_asks_by_who_has_time(
    embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    def once(handler: Handler, asked: dict[str, Any]) -> None:
        if len(openai.asked) == 1:
            handler.refuse(429, "slowly", retry_after="-1")
        elif len(openai.asked) == 2:
            handler.refuse(429, "slowly", retry_after="0.3")
        else:
            embedding(handler, asked)

    openai.reply = once
    began = time.monotonic()
    assert embedder.embed(["a"]) == [[1.0, 1.0]]
    assert time.monotonic() - began >= 0.3
    openai.asked.clear()
    with embedder.within(None) as hasty, pytest.raises(RemoteBusy):
        hasty.embed(["a"])


def test_a_text_over_the_window_is_shortened_and_the_others_are_whole(
    embedder: RemoteEmbedder, openai: OpenAi
) -> None:
    def small(handler: Handler, asked: dict[str, Any]) -> None:
        if any(len(text) > 300 for text in asked["input"]):
            handler.refuse(400, "too many input tokens")
        else:
            embedding(handler, asked)

    openai.reply = small
    long, short = embedder.embed(["word " * 100, "b"])
    assert 100 < long[1] <= 300
    assert short == [1.0, 1.0]


def test_a_day_that_is_used_up_sends_nothing(
    make: Callable[..., RemoteEmbedder], openai: OpenAi, tokens: RemoteTokens
) -> None:
    embedder = make(tokens_per_day=12)
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], read=10)
    embedder.embed(["a"])
    with pytest.raises(BudgetUsed, match="10 of its 12 tokens"):
        embedder.embed(["a"])
    assert len(openai.asked) == 1


def test_a_server_that_is_away_delays_one_question_and_not_the_next(
    make: Callable[..., RemoteEmbedder], openai: OpenAi
) -> None:
    """Documents keep trying, because nobody waits for them."""
    embedder = make()
    openai.reply = refusing(502)
    for _ in range(3):
        with embedder.within(None) as hasty, pytest.raises(RemoteUnavailable, match="does not answer"):
            hasty.embed(["a"])
    assert len(openai.asked) == 1
    with pytest.raises(RemoteUnavailable):
        embedder.embed(["a"])
    assert len(openai.asked) == 4
