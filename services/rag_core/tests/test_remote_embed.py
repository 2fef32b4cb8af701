"""A remote embedder makes the vectors, or ingestion waits: its server's faults fail no document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from rag_core import factory
from rag_core.errors import (
    BudgetUsed,
    ModelMissing,
    RagError,
    RemoteBusy,
    RemoteDenied,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.extract import Parser
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.ledger.notes import TARGET
from rag_core.ledger.remote_tokens import EMBED, RemoteTokens
from rag_core.models import DocumentState
from rag_core.remote.client import RemoteTooSlow
from rag_core.remote.embed import RemoteEmbedder
from rag_core.remote.model import RemoteModel
from rag_core.settings import RagSettings
from services.rag_core.tests import store_server
from services.rag_core.tests.openai_server import Handler, OpenAi, serving
from services.rag_core.tests.store_server import Stores
from services.rag_core.tests.test_dead_letters import queue

NAME = "vectors"
HOST = "models.example.org"
SECRET = "the treasure is under the lighthouse"
Reply = Callable[[Handler, dict[str, Any]], None]


def embedding(handler: Handler, asked: dict[str, Any]) -> None:
    handler.vectors(asked["input"])


def remote(**about: Any) -> RemoteModel:
    given = {"name": NAME, "slug": "vectors-1", "model": "text-big", "host": HOST}
    return RemoteModel.model_validate(given | about)


@pytest.fixture
def openai() -> Iterator[OpenAi]:
    with serving() as one:
        one.reply = embedding
        yield one


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


def refusing(status: int, **more: Any) -> Reply:
    return lambda handler, asked: handler.refuse(status, SECRET, **more)


def giving(vector: object) -> Reply:
    return lambda handler, asked: handler.vectors(asked["input"], of=lambda text: vector)


def counting(number: object) -> dict[str, object]:
    return {"prompt_tokens": number, "total_tokens": number}


FAULTS: dict[str, tuple[Reply, type[RagError]]] = {
    "key refused": (refusing(401), RemoteDenied),
    "unknown model": (refusing(404), ModelMissing),
    "too many requests": (refusing(429, retry_after="0"), RemoteBusy),
    "server fault": (refusing(500), RemoteUnavailable),
    "whatever it is given is refused": (refusing(400), RemoteDenied),
    "too few vectors": (lambda handler, asked: handler.vectors(asked["input"][1:]), RemoteUnavailable),
    "another protocol": (lambda handler, asked: handler.whole(200, SECRET), RemoteUnavailable),
    "nothing in it": (lambda handler, asked: handler.whole(200, {}), RemoteUnavailable),
    "silence": (lambda handler, asked: handler.silence(), RemoteTooSlow),
    "no number": (giving([float("nan"), 1.0]), RemoteUnavailable),
}
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


# --- the worker ---------------------------------------------------------------------------------


@pytest.fixture
def settings(openai: OpenAi, tmp_path: Path) -> Iterator[RagSettings]:
    with store_server.serving(Stores()) as address:
        yield RagSettings(
            opensearch_host=address,
            ollama_base_url=address,
            embedding_model_name=NAME,
            remote_base_url=openai.address,
            remote_models=(remote(tokens_per_day=1000),),
            ledger_path=tmp_path / "ledger" / "ledger.sqlite3",
            ingestion_input_dir=tmp_path / "raw",
        )


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with factory.build_parser(RagSettings()) as one:
        yield one


@pytest.fixture
def work_with(ledger: Ledger, parser: Parser) -> Iterator[Callable[[RagSettings], Ingestor]]:
    """Create ingestors with given settings, all on one ledger."""
    with ExitStack() as stack:

        def make(settings: RagSettings) -> Ingestor:
            embedder, index = factory.build_embedder(settings), factory.build_index_writer(settings)
            stack.enter_context(closing(embedder))
            stack.enter_context(closing(index))
            return Ingestor(
                ledger=ledger,
                parser=parser,
                embedder=embedder,
                index=index,
                owner="worker",
                batch=16,
                uploads_dir=settings.uploads_dir,
            )

        yield make


@pytest.fixture
def worker(work_with: Callable[[RagSettings], Ingestor], settings: RagSettings) -> Ingestor:
    return work_with(settings)


OUTAGES = {name: FAULTS[name] for name in FAULTS if name not in ("unknown model", "silence")}


@pytest.mark.parametrize("name", OUTAGES)
def test_a_fault_of_the_server_makes_ingestion_wait_and_burns_no_attempt(
    name: str, worker: Ingestor, ledger: Ledger, openai: OpenAi, tmp_path: Path
) -> None:
    worker.prepare()
    [document] = queue(ledger, tmp_path, f"Beware: {SECRET}.")
    openai.reply, kind = OUTAGES[name]
    with pytest.raises(kind) as caught:
        worker.step()
    waiting = ledger.get(document.id)
    assert (waiting.state, waiting.attempts, waiting.reason) == (DocumentState.QUEUED, 0, None)
    assert SECRET not in caught.value.message
    with pytest.raises(kind):
        worker.prepare()
    openai.reply = embedding
    worker.prepare()
    assert worker.step().outcome is Outcome.READY


def test_a_day_that_is_used_up_makes_ingestion_wait(
    worker: Ingestor, ledger: Ledger, openai: OpenAi, tmp_path: Path
) -> None:
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], read=999)
    worker.prepare()
    [document] = queue(ledger, tmp_path, "The lamp is lit at dusk.")
    for wait in (worker.step, worker.prepare):
        with pytest.raises(BudgetUsed):
            wait()
    assert len(openai.asked) == 1
    assert ledger.get(document.id).state is DocumentState.QUEUED


LONG = "The lamp is lit at dusk and put out at dawn. " * 1000


@pytest.mark.parametrize(
    ("before", "whole", "limit", "state"),
    [
        (1, 19_000, 20_000, DocumentState.FAILED),
        (10_000, 9_000, 20_000, DocumentState.QUEUED),
        (1, 1, 2_000, DocumentState.FAILED),
    ],
    ids=["alone", "after others", "by its first request"],
)
def test_a_document_that_needs_more_than_a_day_is_not_begun_every_day(
    before: int,
    whole: int,
    limit: int,
    state: DocumentState,
    settings: RagSettings,
    work_with: Callable[[RagSettings], Ingestor],
    ledger: Ledger,
    openai: OpenAi,
    tmp_path: Path,
) -> None:
    """It would use up every day's tokens and never finish. One that only found too few left waits."""
    model = remote(tokens_per_day=limit)
    worker = work_with(settings.model_copy(update={"remote_models": (model,)}))
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], read=before)
    worker.prepare()
    openai.reply = lambda handler, asked: handler.vectors(asked["input"], read=whole)
    [document] = queue(ledger, tmp_path, LONG)
    with suppress(BudgetUsed):
        assert worker.step().outcome is Outcome.FAILED
    found = ledger.get(document.id)
    assert found.state is state
    if state is DocumentState.FAILED:
        assert found.code == "over_tokens_per_day"
        assert f"more than the {limit:,} tokens" in (found.reason or "")


def test_a_text_that_the_server_refuses_while_it_takes_others_is_a_dead_letter(
    worker: Ingestor, ledger: Ledger, openai: OpenAi, tmp_path: Path
) -> None:
    def picky(handler: Handler, asked: dict[str, Any]) -> None:
        if any(SECRET in text for text in asked["input"]):
            handler.refuse(400, f"not this: {SECRET}")
        else:
            embedding(handler, asked)

    openai.reply = picky
    bad, good = queue(ledger, tmp_path, f"Beware: {SECRET}.", "The lamp is lit at dusk.")
    worker.prepare()
    assert [worker.step().outcome for _ in range(2)] == [Outcome.FAILED, Outcome.READY]
    failed = ledger.get(bad.id)
    assert (failed.code, SECRET in (failed.reason or "")) == (RemoteRefused.code, False)
    assert ledger.get(good.id).state is DocumentState.READY


def test_a_text_without_a_usable_vector_fails_its_document_and_holds_up_no_other(
    worker: Ingestor, ledger: Ledger, openai: OpenAi, tmp_path: Path
) -> None:
    def vector(text: str) -> list[float]:
        return [0.0, 0.0] if SECRET in text else [1.0, 2.0]

    openai.reply = lambda handler, asked: handler.vectors(asked["input"], of=vector)
    bad, good = queue(ledger, tmp_path, f"Beware: {SECRET}.", "The lamp is lit at dusk.")
    worker.prepare()
    assert [worker.step().outcome for _ in range(2)] == [Outcome.FAILED, Outcome.READY]
    failed = ledger.get(bad.id)
    assert (failed.code, "without a direction" in (failed.reason or "")) == (RemoteRefused.code, True)
    assert ledger.get(good.id).state is DocumentState.READY


def test_another_embedder_reads_every_document_again_beside_the_old_index(
    settings: RagSettings,
    ledger: Ledger,
    work_with: Callable[[RagSettings], Ingestor],
    tmp_path: Path,
) -> None:
    local = settings.model_copy(update={"embedding_model_name": "all-minilm"})
    before = work_with(local)
    before.prepare()
    queue(ledger, tmp_path, "The lamp is lit at dusk.")
    assert before.step().outcome is Outcome.READY
    after = work_with(settings)
    after.prepare()
    assert ledger.noted(TARGET) is not None
    assert [after.step().outcome for _ in range(2)] == [Outcome.MOVED, Outcome.SWITCHED]


@pytest.mark.parametrize("name", ["key refused", "unknown model"])
def test_an_old_embedder_that_no_longer_answers_does_not_stop_the_new_one(
    name: str,
    settings: RagSettings,
    ledger: Ledger,
    openai: OpenAi,
    work_with: Callable[[RagSettings], Ingestor],
    tmp_path: Path,
) -> None:
    """Its key may be revoked already. New documents wait for the new index."""
    before = work_with(settings)
    before.prepare()
    queue(ledger, tmp_path, "The lamp is lit at dusk.")
    assert before.step().outcome is Outcome.READY
    openai.reply, _ = FAULTS[name]
    after = work_with(settings.model_copy(update={"embedding_model_name": "all-minilm"}))
    after.prepare()
    queue(ledger, tmp_path, "The lamp is lit at dusk.", "The keeper sleeps at noon.")
    outcomes = [after.step().outcome for _ in range(3)]
    assert outcomes == [Outcome.MOVED, Outcome.SWITCHED, Outcome.READY]


def test_a_model_in_ollama_is_asked_there(settings: RagSettings, openai: OpenAi) -> None:
    embedder = factory.build_embedder(settings)
    assert embedder.embed(["x"], model="all-minilm") == [[1.0, 0.5]]
    assert openai.asked == []
    embedder.close()
