"""Runs a program and keeps its user informed."""

from __future__ import annotations

import math
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# A line of output is passed on at most this often, and a silence is broken this often.
PACE_SECONDS = 2.0
SILENCE_SECONDS = 12.0
WIDTH = 100


class ProgramError(Exception):
    """A program that ended badly, with what it said last."""

    def __init__(self, command: Sequence[str], status: int, last_line: str) -> None:
        """Keep what a message needs."""
        super().__init__(f"{command[0]} ended with status {status}: {last_line}")
        self.status = status
        self.last_line = last_line


class StalledError(ProgramError):
    """A program that printed nothing for too long and was ended."""


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end and return what it printed."""
    try:
        done = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{command[0]} took longer than {seconds:.0f} s") from error
    if check and done.returncode != 0:
        raise ProgramError(command, done.returncode, _last(done.stderr.splitlines()))
    return done


def stream(
    command: Sequence[str],
    say: Callable[[str], None],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    silence: float = math.inf,
) -> None:
    """Run a long program, passing on what it says; a silent one is said to be still running.

    One that prints nothing for `silence` seconds is ended, with all that it started.
    """
    started = time.monotonic()
    lines: queue.Queue[str | None] = queue.Queue()
    kept: list[str] = []
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
        start_new_session=silence < math.inf,
    )

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip())
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)

    reader.start()
    try:
        _follow(lines, kept, say, started, silence)
    except TimeoutError as error:
        os.killpg(process.pid, signal.SIGTERM)
        raise StalledError(command, 1, f"no output for {silence:.0f} s") from error
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
        if log is not None:
            log.write_text("\n".join(kept) + "\n")
    if process.returncode != 0:
        raise ProgramError(command, process.returncode, _last(kept))


def _follow(
    lines: queue.Queue[str | None],
    kept: list[str],
    say: Callable[[str], None],
    started: float,
    silence: float,
) -> None:
    reported = heard = started
    while True:
        try:
            line = lines.get(timeout=min(SILENCE_SECONDS, silence))
        except queue.Empty:
            reported = time.monotonic()
            if reported - heard >= silence:
                raise TimeoutError from None
            say(f"still at it, {reported - started:.0f} s: {_last(kept)[:WIDTH] or 'no output yet'}")
            continue
        heard = time.monotonic()
        if line is None:
            return
        if not line:
            continue
        kept.append(line)
        if time.monotonic() - reported >= PACE_SECONDS:
            reported = time.monotonic()
            say(line[:WIDTH])


def _last(lines: Sequence[str]) -> str:
    """The line that says most: the last one with an error in it, else the last."""
    marked = [line for line in lines if "error" in line.lower()]
    chosen = (marked or list(lines) or [""])[-1]
    return chosen.strip()[:300].rstrip(".")
