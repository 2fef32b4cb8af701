"""A person's day at the command line, beside a running worker, with real stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.real
SERVICES = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def env(
    opensearch_address: str, ollama_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("cli")
    (home / "raw").mkdir()
    index = f"test-{uuid.uuid4().hex[:8]}"
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{SERVICES / 'rag_core' / 'src'}:{SERVICES / 'rag-worker' / 'src'}",
        "OPENSEARCH_HOST": opensearch_address,
        "OPENSEARCH_INDEX": index,
        "OLLAMA_BASE_URL": ollama_address,
        "OLLAMA_MODEL": "smollm2:135m",
        "OLLAMA_FALLBACK_MODEL": "smollm2:135m",
        "OLLAMA_TIMEOUT": "300",
        "ANSWER_MAX_TOKENS": "40",
        "INGESTION_INPUT_DIR": str(home / "raw"),
        "INGESTION_POLL_INTERVAL": "0.5",
        "LEDGER_PATH": str(home / "ledger.sqlite3"),
        "HEARTBEAT_PATH": str(home / "heartbeat"),
        "COLUMNS": "200",
    }
    with (home / "log").open("w") as log:
        command = [sys.executable, "-m", "rag_worker", "run"]
        worker = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield env
    finally:
        worker.terminate()
        worker.wait(timeout=90)
        request = urllib.request.Request(f"{opensearch_address}/{index}-*", method="DELETE")  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


def ragdock(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag_worker.cli", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_day_at_the_command_line(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ferry.txt").write_text("The ferry to Ushant leaves at nine and takes two hours. " * 3)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(900))
    nothing = ragdock(env, "search", "anything")
    assert (nothing.returncode, "Nothing was found" in nothing.stderr) == (1, True)
    added = ragdock(env, "ingest", str(tmp_path))
    assert (added.returncode, "1 ready, 1 failed" in added.stdout) == (1, True), added.stdout + added.stderr
    assert "broken.pdf: " in added.stderr
    found = json.loads(ragdock(env, "search", "When does the ferry leave?", "--json").stdout)
    assert found[0]["document"] == "ferry.txt"
    answer = ragdock(env, "ask", "When does the ferry to Ushant leave?", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["passages"][0]["document"] == "ferry.txt"
    unknown = ragdock(env, "ask", "Which enzyme splits lactose in the small intestine?")
    assert unknown.returncode == 1, "the documents do not hold it"
    examined = ragdock(env, "doctor", "--json")
    findings = {one["what"]: one for one in json.loads(examined.stdout)}
    assert examined.returncode == 1
    assert [what for what, one in findings.items() if not one["ok"]] == ["documents"]
    assert "broken.pdf" in findings["documents"]["advice"]
    anew = ragdock(env, "reindex", "--wait", "--timeout", "300")
    assert (anew.returncode, "The new index serves" in anew.stdout) == (0, True), anew.stdout + anew.stderr
    out = tmp_path / "out.jsonl"
    assert ragdock(env, "export", str(out)).returncode == 0
    lines = {one["name"]: one for one in map(json.loads, out.read_text().splitlines())}
    assert "leaves at nine" in lines["ferry.txt"]["passages"][0]["text"]
    assert lines["broken.pdf"]["passages"] == []
