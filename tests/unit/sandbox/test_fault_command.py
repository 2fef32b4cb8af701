"""`python -m sandbox fault` switches faults and lists all of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from sandbox import cli, settings
from tests.local_aws import faulty_aws


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command against a local AWS and returns its exit code and its lines."""
    with faulty_aws() as aws:
        monkeypatch.setattr(settings, "load", lambda: SimpleNamespace(endpoint=aws.url, state=tmp_path))

        def run(*words: str) -> tuple[int, list[str]]:
            done = CliRunner().invoke(cli.app, ["fault", *words])
            return done.exit_code, done.output.splitlines()

        yield run


def lines(output: list[str], state: str) -> list[str]:
    """The listed faults that are in this state."""
    return [line.split()[0] for line in output if line.split()[1].rstrip(",") == state]


def test_a_fault_is_switched_on_listed_and_switched_off(command: Any) -> None:
    _, listed = command("list")
    assert lines(listed, "on") == []
    _, listed = command("throttling", "on", "--number", "7")
    assert lines(listed, "on") == ["throttling"]
    assert "every Nth request" in " ".join(listed)
    _, listed = command()
    assert lines(listed, "on") == ["throttling"]
    _, listed = command("egress", "on")
    assert lines(listed, "on") == ["throttling", "egress"]
    for fault in ("throttling", "egress"):
        _, listed = command(fault, "off")
    assert lines(listed, "on") == []


def test_an_unknown_fault_is_refused_with_those_that_there_are(command: Any) -> None:
    code, said = command("flood")
    assert code == 1
    assert "throttling" in " ".join(said)
