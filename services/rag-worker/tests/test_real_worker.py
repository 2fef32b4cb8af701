"""The worker as a process of its own, killed and cut off at the worst moments, with real stores."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.ledger import Ledger
from rag_core.models import Document, DocumentState
from rag_core.settings import RagSettings

pytestmark = pytest.mark.real
SERVICES = Path(__file__).parents[2]
PATIENCE = 300.0


class Process:
    """One `rag_worker run`."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._log = log.open("a")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "rag_worker", "run"], env=env, stdout=self._log, stderr=subprocess.STDOUT
        )

    def end(self, number: int) -> int:
        """Send the signal and wait for the end."""
        self.popen.send_signal(number)
        code = self.popen.wait(timeout=90)
        self._log.close()
        return code


@pytest.fixture
def env(opensearch_address: str, ollama_address: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    index = f"test-{uuid.uuid4().hex[:8]}"
    yield {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{SERVICES / 'rag_core' / 'src'}:{SERVICES / 'rag-worker' / 'src'}",
        "OPENSEARCH_HOST": opensearch_address,
        "OPENSEARCH_INDEX": index,
        "OLLAMA_BASE_URL": ollama_address,
        "INGESTION_INPUT_DIR": str(tmp_path / "raw"),
        "INGESTION_POLL_INTERVAL": "0.5",
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite3"),
        "HEARTBEAT_PATH": str(tmp_path / "heartbeat"),
    }
    request = urllib.request.Request(f"{opensearch_address}/{index}-*", method="DELETE")  # noqa: S310
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


@pytest.fixture
def settings(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> RagSettings:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return RagSettings()


@pytest.fixture
def ledger(settings: RagSettings) -> Iterator[Ledger]:
    one = factory.build_ledger(settings)
    yield one
    one.close()


def until(what: str, true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come; the worker's log:\n{log.read_text()}"
        time.sleep(0.1)


def only(ledger: Ledger) -> Document:
    documents = ledger.list()
    assert len(documents) == 1
    return documents[0]


def test_worker_killed_in_the_middle_goes_on_without_loss_or_duplicate(
    env: dict[str, str], settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    text = "\n\n".join(
        f"Paragraph {n} tells of the {n}th lighthouse and its keeper. " * 6 for n in range(150)
    )
    (raw / "long.txt").write_text(text)
    worker = Process(env, log)
    until("the first chunks", lambda: any(d.chunks > 0 for d in ledger.list()), log)
    assert worker.end(signal.SIGKILL) == -signal.SIGKILL
    assert only(ledger).state is DocumentState.PROCESSING
    worker = Process(env, log)
    until("ready", lambda: only(ledger).state is DocumentState.READY, log)
    assert worker.end(signal.SIGTERM) == 0
    document = only(ledger)
    with closing(factory.build_index(settings)) as index:
        assert index.count() == document.chunks > 40
    assert document.attempts == 0
    assert "lighthouse" not in log.read_text(), "logs hold no text of a document"


def test_sigterm_puts_the_document_back_and_the_next_worker_finishes_it(
    env: dict[str, str], ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "long.txt").write_text("\n\n".join(f"Paragraph {n} of many. " * 20 for n in range(150)))
    worker = Process(env, log)
    until("the first chunks", lambda: any(d.chunks > 0 for d in ledger.list()), log)
    assert worker.end(signal.SIGTERM) == 0
    assert only(ledger).state is DocumentState.QUEUED
    worker = Process(env, log)
    until("ready", lambda: only(ledger).state is DocumentState.READY, log)
    worker.end(signal.SIGTERM)


def test_ollama_that_comes_back_is_noticed_and_no_attempt_is_burnt(
    env: dict[str, str], ledger: Ledger, tmp_path: Path
) -> None:
    """The address answers to nobody first; then a forwarder stands there, as a restarted Ollama would."""
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "note.txt").write_text("The ferry leaves at nine.")
    target = env["OLLAMA_BASE_URL"].removeprefix("http://").split(":")
    port = _free_port()
    worker = Process(env | {"OLLAMA_BASE_URL": f"http://127.0.0.1:{port}"}, log)
    forwarder: subprocess.Popen[bytes] | None = None
    try:
        until("the pause", lambda: log.exists() and "ingestion paused" in log.read_text(), log)
        until("the file", lambda: bool(ledger.list()), log)
        assert only(ledger).state is DocumentState.QUEUED
        forwarder = subprocess.Popen([sys.executable, "-c", _FORWARD, str(port), *target])
        until("ready", lambda: only(ledger).state is DocumentState.READY, log)
        assert only(ledger).attempts == 0
        assert "ingestion resumed" in log.read_text()
    finally:
        worker.end(signal.SIGTERM)
        if forwarder is not None:
            forwarder.kill()
            forwarder.wait()


def test_edited_file_is_found_by_its_new_text_only(
    env: dict[str, str], settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "note.txt").write_text("The ferry leaves at nine.")
    worker = Process(env, log)
    until("ready", lambda: [d.state for d in ledger.list()] == [DocumentState.READY], log)
    first = only(ledger)
    (raw / "note.txt").write_text("The ferry leaves at eleven.")
    until(
        "the change",
        lambda: [d.state for d in ledger.list()] == [DocumentState.READY] and only(ledger).id != first.id,
        log,
    )
    with closing(factory.build_retriever(settings, ledger)) as retriever:
        found = retriever.search("When does the ferry leave?")
    assert [p.text for p in found] == ["The ferry leaves at eleven."]
    with closing(factory.build_index(settings)) as index:
        assert index.count(first.id) == 0
    assert (raw / "note.txt").read_text() == "The ferry leaves at eleven.", "the file itself is left alone"
    worker.end(signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


_FORWARD = """
import asyncio, sys
async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    there, back = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
    await asyncio.gather(pump(reader, back), pump(there, writer))
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()
asyncio.run(main())
"""
