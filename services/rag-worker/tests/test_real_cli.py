"""Everyday use of the command line beside a running worker, with real stores."""

from __future__ import annotations

import json
import os
import re
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
        "OLLAMA_TIMEOUT_SECONDS": "300",
        "ANSWER_MAX_TOKENS": "40",
        "INGESTION_INPUT_DIR": str(home / "raw"),
        "INGESTION_POLL_SECONDS": "0.5",
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


LIGHTHOUSES = {
    "fastnet.txt": "The Fastnet lighthouse stands on a rock. Its keeper writes with green ink.",
    "eddystone.txt": "The Eddystone tower was rebuilt. The switch --fog-horn starts its horn by hand.",
    "ushant.txt": "The light on Ushant reaches thirty-two miles. Its lamp is changed every second spring.",
}
QUESTIONS: list[dict[str, object]] = [
    {
        "question": "Which ink does the keeper of Fastnet use?",
        "kind": "own words",
        "documents": ["fastnet.txt"],
        "says": ["green ink"],
    },
    {"question": "--fog-horn", "kind": "identifier", "documents": ["eddystone.txt"], "says": ["--fog-horn"]},
    {
        "question": "And how often is its lamp changed?",
        "kind": "follow-up",
        "after": ["How far does the light on Ushant reach?"],
        "documents": ["ushant.txt"],
        "says": ["every second spring"],
    },
    {"question": "Which enzyme splits lactose in the small intestine?", "kind": "unanswerable"},
]


@pytest.fixture(scope="module")
def lighthouses(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of questions about three documents that are ready."""
    home = tmp_path_factory.mktemp("lighthouses")
    for name, text in LIGHTHOUSES.items():
        (home / name).write_text(text)
    added = ragdock(env, "ingest", *(str(home / name) for name in LIGHTHOUSES))
    assert (added.returncode, "3 ready" in added.stdout) == (0, True), added.stdout + added.stderr
    return questions(home, *QUESTIONS)


def questions(folder: Path, *asked: dict[str, object]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in asked))
    return path


def table(shown: str) -> dict[str, str]:
    """Parse the names and values of a table printed on the terminal."""
    rows = [line.strip("│┃ ").split("│") for line in shown.splitlines() if line.startswith("│")]
    return {name.strip(): value.strip() for name, value in rows}


def test_quality_is_shown_kept_and_drawn(env: dict[str, str], lighthouses: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = ragdock(env, "eval", str(lighthouses), "--answers", "--report", str(report), "--floor", "0.9")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = table(done.stdout)
    kept = json.loads(report.read_text())
    figures: dict[str, float] = kept["figures"]
    assert set(shown) == set(figures)
    assert shown["questions"] == "4"
    for name in ("hit@1", "hit@3", "hit@5", "MRR@10", "nDCG@10", "refused, unanswerable"):
        assert (figures[name], shown[name]) == (1.0, "1.000"), kept
    for kind in ("own words", "identifier", "follow-up"):
        assert figures[f"MRR@10 ({kind})"] == 1.0
    assert (figures["refused, answerable"], figures["answered without a model"]) == (0.0, 0.0)
    cited = [right for one in kept["questions"] for right in one["cited"]]
    assert ("citation precision" in figures) == bool(cited), "a share of nothing is no figure"
    assert figures.get("citation precision", 0.0) == pytest.approx(sum(cited) / max(len(cited), 1))
    for name in ("retrieval", "answer", "first token"):
        assert 0 < figures[f"{name} p50"] <= figures[f"{name} p95"]
        assert shown[f"{name} p95"] == f"{figures[f'{name} p95']:.3f} s"
    assert [one["case"]["question"] for one in kept["questions"]] == [one["question"] for one in QUESTIONS]
    drawn = set(re.findall(r">([^<]+)</text>", report.with_suffix(".svg").read_text()))
    assert {name for name in figures if name != "questions" and not name.endswith(("p50", "p95"))} <= drawn


def test_quality_under_the_floor_is_one_and_is_kept_all_the_same(
    env: dict[str, str], lighthouses: Path, tmp_path: Path
) -> None:
    wrong = questions(tmp_path, QUESTIONS[0], QUESTIONS[1] | {"documents": ["fastnet.txt"]})
    report = tmp_path / "report.json"
    done = ragdock(env, "eval", str(wrong), "--report", str(report), "--floor", "0.6")
    assert (done.returncode, "MRR@10 is 0.500, under the floor of 0.6" in done.stderr) == (1, True), (
        done.stderr
    )
    kept = json.loads(report.read_text())
    assert kept["missed"] == ["--fog-horn"]
    assert "citation precision" not in kept["figures"], "no model was asked"


def test_figures_of_words_alone_are_not_given_out_for_whole_ones(
    env: dict[str, str], lighthouses: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    away = env | {"OLLAMA_BASE_URL": "http://127.0.0.1:9"}
    done = ragdock(away, "eval", str(lighthouses), "--report", str(report))
    assert (done.returncode, "by words alone" in done.stderr) == (3, True), done.stderr
    assert not report.exists()
