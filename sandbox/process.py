"""Runs programs and reports their progress."""

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

# Output is passed on at most once per PACE_SECONDS; a silent program is reported every SILENCE_SECONDS.
PACE_SECONDS = 2.0
SILENCE_SECONDS = 12.0
WIDTH = 100


class ProgramError(Exception):
    """A program failed; has its last line of output."""

    def __init__(self, command: Sequence[str], status: int, last_line: str) -> None:
        """Keep the values for the message."""
        super().__init__(f"{command[0]} ended with status {status}: {last_line}")
        self.status = status
        self.last_line = last_line


class StalledError(ProgramError):
    """A program printed nothing for too long and was stopped."""


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end; return its result and output."""
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
    """Run a long program and pass on its output; while it is silent, report that it is still running.

    If it prints nothing for `silence` seconds, it is stopped with all its child processes.
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
    """Return the most informative line: the last one that mentions an error, else the last."""
    marked = [line for line in lines if "error" in line.lower()]
    chosen = (marked or list(lines) or [""])[-1]
    return chosen.strip()[:300].rstrip(".")
