"""A long-running program keeps its user informed and fails with its own error message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sandbox import images, process


def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that prints nothing for minutes looks like a hang."""
    monkeypatch.setattr(process, "SILENCE_SECONDS", 0.1)
    message: list[str] = []
    process.stream([sys.executable, "-c", "import time; time.sleep(0.5)"], message.append)
    assert any("still at it" in line for line in message)


def test_failure_carries_the_error_line_and_the_log(tmp_path: Path) -> None:
    """The error has the reason, and the log has the whole output."""
    program = "print('one'); print('error: no space left'); print('bye'); raise SystemExit(3)"
    log = tmp_path / "build.log"
    with pytest.raises(process.ProgramError, match="no space left") as caught:
        process.stream([sys.executable, "-c", program], lambda _: None, log=log)
    assert caught.value.status == 3
    assert log.read_text().splitlines() == ["one", "error: no space left", "bye"]


def test_program_that_takes_too_long_is_ended() -> None:
    """The check of Docker Hub must not delay a machine that cannot reach it."""
    with pytest.raises(TimeoutError, match="took longer"):
        process.run([sys.executable, "-c", "import time; time.sleep(9)"], seconds=0.2)


def test_program_without_progress_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """One stalled connection blocked `make up` for a thousand seconds."""
    program = f"sleep 60 & echo $! > {tmp_path}/child; echo downloading; wait"
    with pytest.raises(process.StalledError, match="no output for"):
        process.stream(["sh", "-c", program], lambda _: None, silence=2.0)
    child = Path("/proc", (tmp_path / "child").read_text().strip())
    assert not child.exists() or "Z" in (child / "stat").read_text().split()[2]


def test_program_that_prints_is_left_alone() -> None:
    """A slow program has not stalled."""
    program = "import time\nfor _ in range(4): print('x', flush=True); time.sleep(0.5)"
    process.stream([sys.executable, "-c", program], lambda _: None, silence=1.9)


def test_build_without_progress_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three attempts in all, and each failed one is reported."""
    monkeypatch.setattr(images, "SILENCE_SECONDS", 1.5)
    said: list[str] = []
    tries = tmp_path / "tries"
    program = f"echo x >> {tries}; echo downloading; [ $(wc -l < {tries}) -ge 2 ] || sleep 60"
    images.patiently(["sh", "-c", program], said.append, tmp_path / "log")
    assert len(tries.read_text().split()) == 2
    assert any("no output for 2 s: ended, attempt 2 of 3" in line for line in said)
    monkeypatch.setattr(images, "ATTEMPTS", 1)
    with pytest.raises(process.StalledError):
        images.patiently(["sleep", "60"], said.append, tmp_path / "log")
