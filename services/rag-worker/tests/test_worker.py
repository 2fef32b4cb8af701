"""The worker's command line and its loop, without any store."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import structlog

from rag_core.errors import Unavailable
from rag_core.ingest.ingestor import Ingestor, Outcome, Step
from rag_core.ingest.watch import Watcher
from rag_core.ledger import Ledger
from rag_core.ledger.notes import PAUSED
from rag_worker import worker

SERVICES = Path(__file__).parents[2]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{SERVICES / 'rag_core' / 'src'}:{SERVICES / 'rag-worker' / 'src'}",
        "OPENSEARCH_HOST": "http://127.0.0.1:9",
        "OLLAMA_BASE_URL": "http://127.0.0.1:9",
        "INGESTION_INPUT_DIR": str(tmp_path / "raw"),
        "INGESTION_POLL_SECONDS": "0.2",
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite3"),
        "HEARTBEAT_PATH": str(tmp_path / "heartbeat"),
    } | more


def call(verb: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag_worker", verb]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_health_is_bad_before_the_first_beat_good_after_it_and_bad_when_it_stops(tmp_path: Path) -> None:
    env = environment(tmp_path, HEARTBEAT_MAX_AGE="50")
    never = call("health", env)
    assert (never.returncode, "no heartbeat" in never.stderr) == (1, True)
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    assert call("health", env).returncode == 0
    os.utime(heartbeat, (time.time() - 100, time.time() - 100))
    old = call("health", env)
    assert (old.returncode, "hangs" in old.stderr) == (1, True)


def test_wrong_setting_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = call("run", environment(tmp_path, OPENSEARCH_HOST="opensearch"))
    assert done.returncode == 2
    assert "OPENSEARCH_HOST" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_outage_pauses_the_worker_which_stays_healthy_and_stops_when_asked(tmp_path: Path) -> None:
    """Without any store it must wait, still take files, keep its heartbeat and stop soon after SIGTERM."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.txt").write_text("a secret sentence")
    env = environment(tmp_path)
    command = [sys.executable, "-m", "rag_worker", "run"]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "heartbeat").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(8)
            assert call("health", env).returncode == 0
            running.send_signal(signal.SIGTERM)
            output, _ = running.communicate(timeout=20)
        finally:
            running.kill()
    assert running.returncode == 0
    assert output.count("ingestion paused") == 1, "one notice for one outage"
    assert '"taken": 1' in output
    assert "worker stopped" in output
    assert "secret sentence" not in output


class Full(Ingestor):
    """An index that can be read but accepts no writes for some steps, as on a full disk."""

    def __init__(self, steps: int, stop: Event) -> None:
        self.steps = steps
        self.stop = stop
        self.tried: list[float] = []

    def prepare(self) -> bool:
        return False

    def step(self, alive: Callable[[], bool] = lambda: True) -> Step:
        self.tried.append(time.monotonic())
        if len(self.tried) <= self.steps:
            raise Unavailable("OpenSearch accepts no writes")
        self.stop.set()
        return Step(outcome=Outcome.IDLE)

    def close(self) -> None:
        """Nothing is open."""


def test_it_waits_longer_each_time_that_only_writes_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt reads and embeds the same passages, which may cost money."""
    monkeypatch.setattr(worker, "_FIRST_WAIT", 0.1)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.01)
    (tmp_path / "raw").mkdir()
    ledger, stop = Ledger(tmp_path / "ledger.sqlite3"), Event()
    index = Full(4, stop)
    made = worker.Worker(
        ledger=ledger,
        watcher=Watcher(tmp_path / "raw", ledger, 1000),
        ingestor=index,
        heartbeat=tmp_path / "heartbeat",
        poll_seconds=60,
        stop=stop,
    )
    with structlog.testing.capture_logs() as logs:
        made.run()
    waits = [after - before for before, after in itertools.pairwise(index.tried)]
    assert [wait >= 0.1 * 2**place for place, wait in enumerate(waits)] == [True] * 4
    told = [one["event"] for one in logs if one["event"].startswith("ingestion")]
    assert told == ["ingestion paused", "ingestion resumed"], "one notice for one outage"
    assert ledger.noted(PAUSED) is None
