"""A document that OpenSearch or Ollama refuses is set aside with the reason, and the next one is read.

`store_server` stands in for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_core.errors import OpenSearchRefused, OpenSearchUnavailable
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.ledger.throughput import WORDS_LOST, WORDS_SEEN
from rag_core.models import DocumentState
from rag_core.settings import RagSettings
from services.rag_core.tests.store_server import Reply, Stores, serving

from .ingestors import parser as parser
from .ingestors import queue
from .ingestors import work_with as work_with
from .ingestors import worker as worker

POISON = "arsenic"


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def settings(stores: Stores, tmp_path: Path) -> Iterator[RagSettings]:
    with serving(stores) as address:
        yield RagSettings(
            opensearch_host=address,
            ollama_base_url=address,
            ledger_path=tmp_path / "ledger.sqlite3",
            ingestion_input_dir=tmp_path / "raw",
        )


def item(status: int, kind: str) -> Callable[[dict[str, str]], Reply | None]:
    """OpenSearch's response when it accepts the request but refuses the chunk with the poison."""

    def reply(chunks: dict[str, str]) -> Reply:
        items = [
            {"index": {"status": status, "error": {"type": kind, "reason": f"preview: {text}"}}}
            if POISON in text
            else {"index": {"status": 201}}
            for text in chunks.values()
        ]
        return 200, {"errors": any("error" in one["index"] for one in items), "items": items}

    return reply


def whole(status: int, kind: str = "x") -> Callable[[dict[str, str]], Reply | None]:
    """Its response when it refuses a whole request that contains the poison."""
    return lambda chunks: (
        (status, {"error": {"type": kind, "reason": "..."}, "status": status})
        if any(POISON in text for text in chunks.values())
        else None
    )


REFUSALS = {
    "413": (whole(413), "index_too_large", "max_content_length"),
    "400": (whole(400, "illegal_argument_exception"), "index_refused", "illegal_argument_exception"),
    "405": (whole(405), "index_refused", "HTTP 405"),
    "mapping": (item(400, "mapper_parsing_exception"), "index_refused", "mapper_parsing_exception"),
    "strict": (item(400, "strict_dynamic_mapping_exception"), "index_refused", "reindex"),
    "conflict": (item(409, "version_conflict_engine_exception"), "index_refused", "HTTP 409"),
    "too large a chunk": (item(413, "too_large"), "index_too_large", "413"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_document_is_set_aside_with_the_reason_and_the_next_is_read(
    name: str, worker: Ingestor, ledger: Ledger, stores: Stores, tmp_path: Path
) -> None:
    stores.bulk, code, message = REFUSALS[name]
    bad, good = queue(ledger, tmp_path, f"Beware of {POISON} here.", "The lamp is lit at dusk.")
    worker.prepare()
    steps = [worker.step() for _ in range(3)]
    assert [step.outcome for step in steps] == [Outcome.FAILED, Outcome.READY, Outcome.IDLE]
    failed = ledger.get(bad.id)
    assert (failed.state, failed.code, failed.attempts) == (DocumentState.FAILED, code, 1)
    assert message in (failed.reason or "")
    assert POISON not in (failed.reason or ""), "a reason of OpenSearch may quote the document"
    assert ledger.get(good.id).state is DocumentState.READY


WAITS = {
    "429": (whole(429), OpenSearchUnavailable),
    "503": (whole(503), OpenSearchUnavailable),
    "500": (whole(500), OpenSearchUnavailable),
    "401": (whole(401), OpenSearchRefused),
    "403": (whole(403, "cluster_block_exception"), OpenSearchRefused),
    "a chunk 429": (item(429, "rejected"), OpenSearchUnavailable),
    "a chunk 502": (item(502, "x"), OpenSearchUnavailable),
    "a chunk 403": (item(403, "cluster_block_exception"), OpenSearchRefused),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_waiting_or_the_deployer_cures_burns_no_attempt(
    name: str, worker: Ingestor, ledger: Ledger, stores: Stores, tmp_path: Path
) -> None:
    stores.bulk, error = WAITS[name]
    [document] = queue(ledger, tmp_path, f"Beware of {POISON} here.")
    worker.prepare()
    with pytest.raises(error):
        worker.step()
    waiting = ledger.get(document.id)
    assert (waiting.state, waiting.attempts) == (DocumentState.QUEUED, 0)
    stores.bulk = lambda chunks: None
    assert worker.step().outcome is Outcome.READY


def test_batch_that_is_too_large_is_sent_in_smaller_parts(
    worker: Ingestor, ledger: Ledger, stores: Stores, tmp_path: Path
) -> None:
    stores.bulk = lambda chunks: (413, {}) if len(chunks) > 3 else None
    [document] = queue(
        ledger, tmp_path, "\n\n".join(f"Paragraph {n}. " + "Some words. " * 60 for n in range(9))
    )
    worker.prepare()
    step = worker.step()
    assert step.outcome is Outcome.READY
    assert len(stores.chunks) == step.chunks == ledger.get(document.id).chunks > 3
    assert "Paragraph 8" in " ".join(stores.chunks.values())


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [(400, "invalid input", "ollama_refused"), (400, "exceeds the context length", "input_too_long")],
)
def test_text_that_the_embedder_refuses_is_a_dead_letter(
    worker: Ingestor, ledger: Ledger, stores: Stores, tmp_path: Path, status: int, error: str, code: str
) -> None:
    taken = ({"dimension"}, {"The lamp is lit at dusk."})
    stores.embed = lambda texts: None if set(texts) in taken else (status, {"error": error})
    bad, good = queue(ledger, tmp_path, f"Beware of {POISON} here.", "The lamp is lit at dusk.")
    worker.prepare()
    assert [worker.step().outcome for _ in range(2)] == [Outcome.FAILED, Outcome.READY]
    assert (ledger.get(bad.id).code, ledger.get(bad.id).attempts) == (code, 1)
    assert ledger.get(good.id).state is DocumentState.READY


def test_deletion_that_is_refused_does_not_stop_the_queue(
    worker: Ingestor, ledger: Ledger, stores: Stores, tmp_path: Path, clock: Any
) -> None:
    gone, good = queue(ledger, tmp_path, "Old.", "The lamp is lit at dusk.")
    ledger.request_delete(gone.id)
    stores.delete = (400, {"error": {"type": "script_exception"}})
    worker.prepare()
    assert [worker.step().outcome for _ in range(2)] == [Outcome.FAILED, Outcome.READY]
    assert ledger.get(gone.id).state is DocumentState.DELETING
    assert ledger.get(good.id).state is DocumentState.READY
    stores.delete = None
    clock.now += 200
    assert worker.step().outcome is Outcome.DELETED


def test_words_seen_and_lost_are_tallied(worker: Ingestor, ledger: Ledger, tmp_path: Path) -> None:
    queue(ledger, tmp_path, "The lamp is lit at dusk.", "Nobody rows alone.")
    worker.prepare()
    steps = [worker.step(), worker.step()]
    assert [(step.words, step.words_lost) for step in steps] == [(6, 0), (3, 0)]
    assert (ledger.tallied(WORDS_SEEN), ledger.tallied(WORDS_LOST)) == (9, 0)


class Waiting:
    """Replaces the ingestor's `time` module and counts the seconds that it waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(("words", "least", "most"), [(20, 0.0, 2.5), (600, 25.0, 45.0)])
def test_a_small_document_waits_for_questions_less_than_a_large_one(
    words: int, least: float, most: float, worker: Ingestor, ledger: Ledger, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Questions keep coming while a release is tested: its canary must not wait as long as a book."""
    clock = Waiting()
    monkeypatch.setattr("rag_core.ingest.ingestor.time", clock)
    queue(ledger, tmp_path, " ".join(f"word{number}." for number in range(words)))
    worker.prepare()
    with ledger.asking():
        assert worker.step().outcome is Outcome.READY
    assert least <= clock.seconds <= most
