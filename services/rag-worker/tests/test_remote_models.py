"""With a remote embedder, the worker waits for its server and says why; the doctor spends no money."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from rag_core import factory
from rag_core.ledger.remote_tokens import EMBED
from rag_core.models import DocumentState
from rag_core.remote.model import RemoteModel
from rag_worker import doctor
from rag_worker.settings import WorkerSettings
from rag_worker.worker import Worker
from services.rag_core.tests import openai_server, store_server

HOST = "models.example.org"
VECTORS = RemoteModel(name="vectors", slug="vectors", model="text", host=HOST, tokens_per_day=5000)
Make = Callable[..., WorkerSettings]


@pytest.fixture
def openai() -> Iterator[openai_server.OpenAi]:
    with openai_server.serving() as one:
        yield one


@pytest.fixture
def make_settings(openai: openai_server.OpenAi, tmp_path: Path) -> Iterator[Make]:
    (tmp_path / "raw").mkdir()
    with store_server.serving(store_server.Stores()) as address:

        def make(**changed: Any) -> WorkerSettings:
            given = {
                "opensearch_host": address,
                "ollama_base_url": address,
                "embedding_model_name": "vectors",
                "remote_base_url": openai.address,
                "remote_models": (VECTORS,),
                "ledger_path": tmp_path / "ledger.sqlite3",
                "ingestion_input_dir": tmp_path / "raw",
                "ingestion_poll_seconds": 0.1,
                "heartbeat_path": tmp_path / "heartbeat",
            }
            return WorkerSettings.model_validate(given | changed)

        yield make


def waited_for(holds: Callable[[], bool]) -> bool:
    """Whether the condition becomes true within 30 seconds."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_refused_key_pauses_ingestion_with_the_reason_and_a_renewed_one_ends_the_pause(
    make_settings: Make, openai: openai_server.OpenAi, tmp_path: Path
) -> None:
    settings, stop = make_settings(), Event()
    (tmp_path / "raw" / "a.txt").write_text("a secret sentence")
    ledger = factory.build_ledger(settings)
    openai.reply = lambda handler, asked: handler.refuse(401, "a secret sentence is no reason to let you in")
    worker = Worker(
        ledger=ledger,
        watcher=factory.build_watcher(settings, ledger),
        ingestor=factory.build_ingestor(settings, ledger, "test"),
        heartbeat=settings.heartbeat_path,
        poll_seconds=settings.ingestion_poll_seconds,
        stop=stop,
    )
    thread = Thread(target=worker.run)
    thread.start()
    try:
        assert waited_for(lambda: ledger.ingestion().paused is not None)
        reason = ledger.ingestion().paused or ""
        assert (f"{HOST} refuses the key" in reason, "secret" in reason) == (True, False)
        assert ledger.counts()[DocumentState.FAILED] == 0
        openai.reply = lambda handler, asked: handler.vectors(asked["input"])
        assert waited_for(lambda: ledger.counts()[DocumentState.READY] == 1)
        assert ledger.ingestion().paused is None
    finally:
        stop.set()
        thread.join()
        ledger.close()


def findings(settings: WorkerSettings) -> dict[str, doctor.Finding]:
    """The doctor's findings on the models and the index."""
    parts = (doctor._index, doctor._ollama, doctor._remote, doctor._embedder)
    return {found.what: found for found in (part(settings) for part in parts)}


def test_doctor_names_host_and_use_and_asks_no_remote_model(
    make_settings: Make, openai: openai_server.OpenAi
) -> None:
    settings = make_settings()
    with closing(factory.build_remote_tokens(settings)) as tokens, tokens.allowed(VECTORS, 10) as spent:
        spent[EMBED] += 1234
    found = findings(settings)
    assert found["remote models"].ok
    assert f"vectors at {HOST}: 1,234 of 5,000 tokens today" in found["remote models"].detail
    assert "costs money" in found["embedder"].detail
    assert "vectors" not in found["Ollama"].detail
    assert openai.asked == []


def test_doctor_says_when_the_way_to_remote_models_is_closed(make_settings: Make) -> None:
    found = findings(make_settings(remote_base_url="http://127.0.0.1:9"))["remote models"]
    assert (found.ok, "does not answer" in found.detail) == (False, True)
    assert "remote" in found.advice


def test_doctor_compares_the_index_with_the_remote_embedder_without_asking_it(
    make_settings: Make, openai: openai_server.OpenAi, tmp_path: Path
) -> None:
    settings = make_settings()
    openai.reply = lambda handler, asked: handler.vectors(asked["input"])
    ledger = factory.build_ledger(settings)
    ingestor = factory.build_ingestor(settings, ledger, "test")
    ingestor.prepare()
    ingestor.close()
    ledger.close()
    asked = len(openai.asked)
    moved = VECTORS.model_copy(update={"host": "elsewhere.example.org"})
    assert "another digest" in doctor._index(make_settings(remote_models=(moved,))).detail
    assert len(openai.asked) == asked
