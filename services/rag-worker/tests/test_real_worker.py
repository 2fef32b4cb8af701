"""The worker in its own process, killed and disconnected at the worst moments, with real stores."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from rag_core import factory
from rag_core.ledger import Ledger
from rag_core.ledger.work import BACKOFF_SECONDS
from rag_core.models import Document, DocumentState
from rag_core.settings import RagSettings
from services.rag_core.tests import office
from services.rag_core.tests.pdfs import laborious, unending

pytestmark = [pytest.mark.real, pytest.mark.clock]
SERVICES = Path(__file__).parents[2]
TIMEOUT = 300.0
SETTLED = (DocumentState.READY, DocumentState.FAILED)


class Process:
    """One `rag_worker run`."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._log = log.open("a")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "rag_worker", "run"], env=env, stdout=self._log, stderr=subprocess.STDOUT
        )

    def parsers(self) -> list[psutil.Process]:
        """The worker's parsing process, if one is running."""
        return psutil.Process(self.popen.pid).children()

    def end(self, number: int) -> int:
        """Send the signal and wait for the process to end."""
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
        "INGESTION_POLL_SECONDS": "0.5",
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite3"),
        "HEARTBEAT_PATH": str(tmp_path / "heartbeat"),
    }
    request = urllib.request.Request(f"{opensearch_address}/{index}-*", method="DELETE")  # noqa: S310
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


Begin = Callable[..., Process]


@pytest.fixture
def begin(env: dict[str, str], tmp_path: Path) -> Iterator[Begin]:
    """Start workers, optionally with their own settings; ends those that a failed test left running."""
    begun: list[Process] = []

    def one(**more: str) -> Process:
        begun.append(Process(env | more, tmp_path / "log"))
        return begun[-1]

    yield one
    for process in begun:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)


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
    deadline = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come; the worker's log:\n{log.read_text()}"
        time.sleep(0.1)


def settled(ledger: Ledger, files: int, log: Path) -> dict[str, Document]:
    """Wait until all documents are ready or failed; returns them by name."""

    def all_are() -> bool:
        found = ledger.list()
        return len(found) == files and all(one.state in SETTLED for one in found)

    until("the last document's end", all_are, log)
    return {one.name: one for one in ledger.list()}


def only(ledger: Ledger) -> Document:
    documents = ledger.list()
    assert len(documents) == 1
    return documents[0]


def test_a_worker_killed_in_the_middle_continues_without_loss_or_duplicate(
    begin: Begin, settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    text = "\n\n".join(
        f"Paragraph {n} tells of the {n}th lighthouse and its keeper. " * 6 for n in range(150)
    )
    (raw / "long.txt").write_text(text)
    worker = begin()
    until("the first chunks", lambda: any(d.chunks > 0 for d in ledger.list()), log)
    assert worker.end(signal.SIGKILL) == -signal.SIGKILL
    assert only(ledger).state is DocumentState.PROCESSING
    worker = begin()
    until("ready", lambda: only(ledger).state is DocumentState.READY, log)
    assert worker.end(signal.SIGTERM) == 0
    document = only(ledger)
    with closing(factory.build_index(settings)) as index:
        assert index.count() == document.chunks > 40
    assert document.attempts == 0
    assert "lighthouse" not in log.read_text(), "logs hold no text of a document"


def test_sigterm_puts_the_document_back_and_the_next_worker_finishes_it(
    begin: Begin, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "long.txt").write_text("\n\n".join(f"Paragraph {n} of many. " * 20 for n in range(150)))
    worker = begin()
    until("the first chunks", lambda: any(d.chunks > 0 for d in ledger.list()), log)
    assert worker.end(signal.SIGTERM) == 0
    assert only(ledger).state is DocumentState.QUEUED
    worker = begin()
    until("ready", lambda: only(ledger).state is DocumentState.READY, log)
    worker.end(signal.SIGTERM)


def test_ollama_that_comes_back_is_noticed_and_no_attempt_is_burnt(
    begin: Begin, env: dict[str, str], ledger: Ledger, tmp_path: Path
) -> None:
    """Nothing listens at the address at first; then a forwarder does, like a restarted Ollama."""
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "note.txt").write_text("The ferry leaves at nine.")
    target = env["OLLAMA_BASE_URL"].removeprefix("http://").split(":")
    port = _free_port()
    worker = begin(OLLAMA_BASE_URL=f"http://127.0.0.1:{port}")
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
    begin: Begin, settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "note.txt").write_text("The ferry leaves at nine.")
    worker = begin()
    until("ready", lambda: [d.state for d in ledger.list()] == [DocumentState.READY], log)
    first = only(ledger)
    (raw / "note.txt").write_text("The ferry leaves at eleven.")

    def replaced() -> bool:
        found = ledger.list()  # read once: both versions are listed until the new one is ready
        return [d.state for d in found] == [DocumentState.READY] and found[0].id != first.id

    until("the change", replaced, log)
    with closing(factory.build_retriever(settings, ledger)) as retriever:
        found = retriever.search("When does the ferry leave?")
    assert [p.text for p in found] == ["The ferry leaves at eleven."]
    with closing(factory.build_index(settings)) as index:
        assert index.count(first.id) == 0
    assert (raw / "note.txt").read_text() == "The ferry leaves at eleven.", "the file itself is left alone"
    worker.end(signal.SIGTERM)


def test_damaged_office_files_are_set_aside_and_their_neighbours_are_ready(
    begin: Begin, settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    """Of each kind a truncated file, one with truncated markup and a good one; and a mail with a bad file."""
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    bad = set()
    for kind, part in office.PARTS.items():
        good = office.whole(kind, f"The lamp of the {kind} lighthouse burns colza oil.")
        for name, content in (("off", office.broken_off(good)), ("cut", office.cut(good, part))):
            (raw / f"{kind}-{name}.{kind}").write_bytes(content)
            bad.add(f"{kind}-{name}.{kind}")
        (raw / f"{kind}-good.{kind}").write_bytes(good)
    attached = {"far.docx": office.broken_off(office.whole("docx", "far"))}
    (raw / "mail.eml").write_bytes(office.mail("The ferry leaves at nine.", attached))
    worker = begin()
    documents = settled(ledger, 13, log)
    assert worker.end(signal.SIGTERM) == 0
    assert {name for name, one in documents.items() if one.state is DocumentState.FAILED} == bad
    with closing(factory.build_index(settings)) as index:
        for name, one in documents.items():
            assert (one.code, "damaged" in (one.reason or "")) == (
                ("corrupt", True) if name in bad else (None, False)
            )
            assert index.count(one.id) == one.chunks, name
            assert (one.chunks > 0) == (name not in bad), name
    with closing(factory.build_retriever(settings, ledger)) as retriever:
        found = retriever.search("When does the ferry leave?")[0].text
    assert "The ferry leaves at nine." in found
    assert "was not read: the Word file breaks off" in found
    assert "colza" not in log.read_text(), "logs hold no text of a document"


def test_pdf_that_makes_the_parser_hang_is_killed_and_its_neighbours_are_ready(
    begin: Begin, settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "a.txt").write_text("The ferry leaves at nine.")
    (raw / "b.pdf").write_bytes(unending())
    (raw / "c.docx").write_bytes(office.whole("docx", "The lamp burns colza oil."))
    hangs = [DocumentState.PROCESSING]

    def until_it_hangs() -> None:
        until("the hang", lambda: [d.state for d in ledger.list() if d.name == "b.pdf"] == hangs, log)
        until("the parser", lambda: bool(worker.parsers()), log)

    worker = begin()
    until_it_hangs()
    hanging = worker.parsers()
    asked = time.monotonic()
    assert worker.end(signal.SIGTERM) == 0
    assert time.monotonic() - asked < 20, "a worker that is asked to stop does not wait for what hangs"
    assert not any(one.is_running() for one in hanging)
    worker = begin(PARSE_STALL_SECONDS="20", OCR_PAGE_SECONDS="10")
    until_it_hangs()
    hanging = worker.parsers()
    documents = settled(ledger, 3, log)
    hung = documents["b.pdf"]
    assert (hung.state, hung.code, hung.attempts) == (DocumentState.FAILED, "parser_hung", 1)
    assert "stood still for 20 s and was stopped" in (hung.reason or "")
    assert not any(one.is_running() for one in hanging), "what hangs is gone"
    assert {documents[name].state for name in ("a.txt", "c.docx")} == {DocumentState.READY}
    with closing(factory.build_index(settings)) as index:
        assert index.count(hung.id) == 0
    assert worker.end(signal.SIGTERM) == 0


def test_document_whose_parser_is_killed_each_time_is_set_aside_and_read_when_tried_again(
    begin: Begin, settings: RagSettings, ledger: Ledger, tmp_path: Path
) -> None:
    """A host without memory sends SIGKILL. After two waits the document fails; another one is still read.

    The test sits out the first wait; it reads the second, a minute, from the ledger and then skips it.
    """
    raw, log = tmp_path / "raw", tmp_path / "log"
    raw.mkdir()
    (raw / "victim.pdf").write_bytes(laborious(8, "The lamp burns colza oil."))
    (raw / "neighbour.txt").write_text("The ferry leaves at nine.")
    worker = begin()
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    waits: dict[int, float] = {}

    def given_up() -> bool:
        parsers = worker.parsers()  # read before the state, so that no parser of a later document is killed
        victim = next((one for one in ledger.list() if one.name == "victim.pdf"), None)
        if victim is None:
            return False
        if victim.state is DocumentState.PROCESSING:
            begun.setdefault(victim.attempts, time.monotonic())
            for one in parsers:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        elif victim.attempts:
            assert victim.code == "parser_killed"
            ended.setdefault(victim.attempts, time.monotonic())
            if victim.attempts not in waits:
                waits[victim.attempts] = wait_of(tmp_path / "ledger.sqlite3", victim.id)
        return victim.state is DocumentState.FAILED

    until("the dead letter", given_up, log)
    documents = settled(ledger, 2, log)
    victim = documents["victim.pdf"]
    assert (victim.attempts, documents["neighbour.txt"].state) == (3, DocumentState.READY)
    assert "likely for lack of memory" in (victim.reason or "")
    assert begun[1] - ended[1] > BACKOFF_SECONDS[0] - 1, "the first wait"
    assert [waits[1], waits[2]] == list(BACKOFF_SECONDS[:2]), "the second is longer"
    assert ledger.retry(victim.id).state is DocumentState.QUEUED
    again = settled(ledger, 2, log)["victim.pdf"]
    assert (again.state, again.code, again.attempts) == (DocumentState.READY, None, 0)
    with closing(factory.build_index(settings)) as index:
        assert index.count(victim.id) == again.chunks == 1
    assert worker.end(signal.SIGTERM) == 0


def wait_of(ledger: Path, document: str) -> float:
    """Seconds from a failed attempt to the next; ends a wait that is longer than the first at once."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        (wait,) = db.execute(
            "SELECT round(not_before - updated_at, 3) FROM documents WHERE id = ?", (document,)
        ).fetchone()
        if wait > BACKOFF_SECONDS[0]:
            db.execute("UPDATE documents SET not_before = 0 WHERE id = ?", (document,))
    return float(wait)


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
