"""The worker's command line and its loop, without any store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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
    ) as worker:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "heartbeat").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(8)
            assert call("health", env).returncode == 0
            worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate(timeout=20)
        finally:
            worker.kill()
    assert worker.returncode == 0
    assert output.count("ingestion paused") == 1, "one notice for one outage"
    assert '"taken": 1' in output
    assert "worker stopped" in output
    assert "secret sentence" not in output
