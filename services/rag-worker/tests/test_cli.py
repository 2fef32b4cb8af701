"""`ragdock` without any store: exit codes are as documented, and no traceback is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag_core.ledger import schema

SERVICES = Path(__file__).parents[2]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "raw").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{SERVICES / 'rag_core' / 'src'}:{SERVICES / 'rag-worker' / 'src'}",
        "OPENSEARCH_HOST": "http://127.0.0.1:9",
        "OLLAMA_BASE_URL": "http://127.0.0.1:9",
        "INGESTION_INPUT_DIR": str(tmp_path / "raw"),
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite3"),
        "HEARTBEAT_PATH": str(tmp_path / "heartbeat"),
        "COLUMNS": "200",
    }


def ragdock(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rag_worker.cli", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_help_names_every_verb(env: dict[str, str]) -> None:
    done = ragdock(env, "--help")
    assert done.returncode == 0
    for verb in ("ingest", "watch", "ask", "search", "eval", "doctor", "reindex", "export"):
        assert verb in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["search"], ["ingest", "/no/such/file"], ["ask"]])
def test_wrong_usage_is_two(env: dict[str, str], arguments: list[str]) -> None:
    assert ragdock(env, *arguments).returncode == 2


def test_wrong_setting_is_two_and_named(env: dict[str, str]) -> None:
    done = ragdock(env | {"OLLAMA_TIMEOUT_SECONDS": "-1"}, "watch", "--once")
    assert (done.returncode, "OLLAMA_TIMEOUT_SECONDS" in done.stderr) == (2, True)
    assert "docs/operate/settings.md" in done.stderr


def test_worker_does_not_start_with_a_wrong_setting_and_names_it(env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "rag_worker", "run"]
    wrong = env | {"LOG_LEVEL": "LOUD"}
    done = subprocess.run(command, env=wrong, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "LOG_LEVEL" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


@pytest.mark.parametrize("verb", ["search", "ask"])
def test_dependency_that_is_away_is_three(env: dict[str, str], verb: str) -> None:
    done = ragdock(env, verb, "anything")
    assert (done.returncode, "does not answer" in done.stderr) == (3, True)


def test_files_are_queued_and_a_bad_one_is_one(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "many"
    (folder / "in").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "in" / "b.txt").write_text("two")
    (folder / ".hidden").write_text("three")
    good = ragdock(env, "ingest", "--no-wait", str(folder))
    assert (good.returncode, "2 documents taken" in good.stdout) == (0, True)
    (folder / "bad.bin").write_bytes(b"\x00\x01\x02")
    bad = ragdock(env, "ingest", "--no-wait", str(folder))
    assert (bad.returncode, "none of the kinds" in bad.stderr) == (1, True)
    shown = json.loads(ragdock(env, "watch", "--json").stdout)
    assert shown["documents"]["queued"] == 2
    assert shown["ingestion"]["documents_left"] == 2


def test_waiting_ends_with_the_time_and_says_so(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    done = ragdock(env, "ingest", str(tmp_path / "a.txt"), "--timeout", "1")
    assert (done.returncode, "ragdock doctor" in done.stderr) == (1, True)


def test_doctor_names_each_fault_and_what_to_do(env: dict[str, str]) -> None:
    done = ragdock(env, "doctor", "--json")
    assert done.returncode == 1
    findings = {one["what"]: one for one in json.loads(done.stdout)}
    assert findings["ledger"]["ok"]
    assert findings["documents' directory"]["ok"]
    for what, message in {
        "worker": "no heartbeat",
        "OpenSearch": "does not answer",
        "index": "does not answer",
        "Ollama": "does not answer",
        "embedder": "does not answer",
    }.items():
        assert not findings[what]["ok"]
        assert message in findings[what]["detail"]
        assert findings[what]["advice"]


def test_doctor_notices_a_language_without_data(env: dict[str, str]) -> None:
    done = ragdock(env | {"OCR_LANGUAGES": "eng+xxx"}, "doctor", "--json")
    ocr = next(one for one in json.loads(done.stdout) if one["what"] == "OCR")
    assert (ocr["ok"], "xxx" in ocr["detail"], "eng" in ocr["advice"]) == (False, True, True)


def test_wish_for_a_new_index_is_noted(env: dict[str, str]) -> None:
    assert ragdock(env, "reindex").returncode == 0
    waited = ragdock(env, "reindex", "--wait", "--timeout", "1")
    assert (waited.returncode, "the worker continues" in waited.stderr) == (1, True)


def test_export_writes_one_line_for_each_document(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    ragdock(env, "ingest", "--no-wait", str(tmp_path / "a.txt"))
    target = tmp_path / "out.jsonl"
    assert ragdock(env, "export", "--no-text", str(target)).returncode == 0
    assert [json.loads(line)["name"] for line in target.read_text().splitlines()] == ["a.txt"]
    target.unlink()
    assert ragdock(env, "export", str(target)).returncode == 3
    assert not target.exists(), "whole or not at all"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"not json", "not JSON"),
        (b'{"question": "\xff", "kind": "unanswerable"}', "not JSON in UTF-8"),
        (b'{"question": "q", "kind": "riddle"}', "kind: Input should be"),
        (b'{"question": "q", "kind": "own words"}', "needs `documents` and `says`"),
        (b"[]", "line: Input should be"),
    ],
)
def test_questions_that_cannot_be_used_are_two_and_named_by_line(
    env: dict[str, str], tmp_path: Path, line: bytes, expected: str
) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b'{"question": "How \xe2\x80\xa8 so?", "kind": "unanswerable"}\n\n' + line + b"\n")
    done = ragdock(env, "eval", str(path))
    assert (done.returncode, "questions.jsonl, line 3" in done.stderr, expected in done.stderr) == (
        2,
        True,
        True,
    ), done.stderr


@pytest.mark.parametrize("report", ["missing/report.json", ".", "report.svg"])
def test_a_report_that_cannot_be_written_is_refused_before_the_first_question(
    env: dict[str, str], tmp_path: Path, report: str
) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "Why?", "kind": "unanswerable"}\n')
    done = ragdock(env, "eval", str(path), "--report", str(tmp_path / report))
    assert (done.returncode, "report" in done.stderr) == (2, True), done.stderr
    assert ragdock(env, "eval", str(path)).returncode == 3, "asked, it would have met what is away"


def test_the_image_says_what_it_stores(env: dict[str, str]) -> None:
    """A deployment compares these versions with the running release, without settings, volume or network."""
    alone = {name: env[name] for name in ("PATH", "PYTHONPATH")}
    command = [sys.executable, "-m", "rag_worker", "stored"]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=120, check=True)
    output = json.loads(done.stdout)
    assert set(output) == {"ledger", "index mapping", "chunks"}
    assert output["ledger"] == len(schema.STEPS)
