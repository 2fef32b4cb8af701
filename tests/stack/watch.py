"""Record the arguments of all processes on the host and on the operator's machine during a test run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.stack.host import Host

# Prints each distinct set of arguments once, until its input ends. Processes younger than half a second are
# read every few milliseconds, since exec replaces their arguments; all processes are read once a second.
SAMPLER = """
import os, select, sys, time
seen, born, whole = set(), {}, 0.0
def sample():
    global born, whole
    now = time.monotonic()
    born = {name: born.get(name, now) for name in os.listdir("/proc") if name.isdigit()}
    everybody = now - whole > 1
    whole = now if everybody else whole
    for name, since in born.items():
        if everybody or now - since < 0.5:
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    text = file.read().replace(b"\\0", b" ").replace(b"\\n", b" ")
            except OSError:
                continue
            if text not in seen:
                seen.add(text)
                sys.stdout.buffer.write(text + b"\\n")
    sys.stdout.buffer.flush()
while not select.select([sys.stdin], [], [], 0.005)[0]:
    sample()
sample()
"""
AWAY_SECONDS = 1.0
"""Between two attempts to reach a host that restarts or is replaced."""


class Watch:
    """Samples both machines; `text` holds the arguments seen so far.

    The host may restart meanwhile, or be deleted and replaced: it is found by its name each time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: dict[str, list[str]] = {"operator": [], "host": []}
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=("operator", self._here), daemon=True),
            threading.Thread(target=self._follow, args=("host", self._there), daemon=True),
        ]

    @property
    def text(self) -> dict[str, str]:
        """Map each machine to the arguments of its processes, one process a line."""
        return {where: "".join(lines) for where, lines in self._seen.items()}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for process in self._running.values():
            if process.stdin is not None:
                process.stdin.close()
        for thread in self._threads:
            thread.join(timeout=30)

    @staticmethod
    def _here() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", SAMPLER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip

    def _there(self) -> subprocess.Popen[str]:
        return Host(self._name).begin("python3", "-c", SAMPLER)

    def _follow(self, where: str, begin: Callable[[], subprocess.Popen[str]]) -> None:
        while not self._ended.is_set():
            # There may be no host just now.
            with contextlib.suppress(AssertionError, OSError, subprocess.SubprocessError):
                process = self._running[where] = begin()
                assert process.stdin is not None
                assert process.stdout is not None
                self._seen[where].extend(process.stdout)
                process.stdout.close()
                process.stdin.close()
                process.wait()
            self._ended.wait(AWAY_SECONDS)
