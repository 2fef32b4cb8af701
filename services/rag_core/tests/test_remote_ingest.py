"""The worker with a remote embedder: what it does when the server fails, and what it never loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rag_core import factory
from rag_core.errors import BudgetUsed, RemoteRefused
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.ledger.notes import TARGET
from rag_core.models import DocumentState
from rag_core.settings import RagSettings
from services.rag_core.tests import store_server
from services.rag_core.tests.openai_server import Handler, OpenAi
from services.rag_core.tests.store_server import Stores

from .ingestors import parser as parser
from .ingestors import queue
from .ingestors import work_with as work_with
from .ingestors import worker as worker
from .remote_embeds import FAULTS, NAME, SECRET, embedding, remote
from .remote_embeds import openai as openai


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
