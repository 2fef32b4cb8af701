"""A run that was asked to test with real stores, but cannot, must not pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MEASURED = "services/rag_core/tests/test_real_relevance.py"


@pytest.mark.parametrize(
    ("asked", "code", "expected"),
    [(["-m", "real"], 1, "FAILED|ERROR"), ([], 0, "SKIPPED")],
    ids=["asked for as make stack does", "plain"],
)
def test_missing_engine_fails_the_tests_that_were_asked_for(
    tmp_path: Path, asked: list[str], code: int, expected: str
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAGDOCK_TEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", MEASURED, *asked]
    done = subprocess.run(
        command, cwd=ROOT, env=env | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout
    assert any(word in done.stdout for word in expected.split("|"))
    assert "no Docker Engine" in done.stdout or "no model files" in done.stdout
