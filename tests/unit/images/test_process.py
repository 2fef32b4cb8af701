"""A long program keeps its user informed and fails with its own words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sandbox import process


def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that prints nothing for minutes looks like a hang."""
    monkeypatch.setattr(process, "SILENCE_SECONDS", 0.1)
    message: list[str] = []
    process.stream([sys.executable, "-c", "import time; time.sleep(0.5)"], message.append)
    assert any("still at it" in line for line in message)


def test_failure_carries_the_error_line_and_the_log(tmp_path: Path) -> None:
    """The reason is in the error, the whole story in the log."""
    program = "print('one'); print('error: no space left'); print('bye'); raise SystemExit(3)"
    log = tmp_path / "build.log"
    with pytest.raises(process.ProgramError, match="no space left") as caught:
        process.stream([sys.executable, "-c", program], lambda _: None, log=log)
    assert caught.value.status == 3
    assert log.read_text().splitlines() == ["one", "error: no space left", "bye"]


def test_program_that_takes_too_long_is_ended() -> None:
    """The probe of Docker Hub must not hold up a machine without it."""
    with pytest.raises(TimeoutError, match="took longer"):
        process.run([sys.executable, "-c", "import time; time.sleep(9)"], seconds=0.2)
