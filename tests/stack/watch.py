"""What processes are started with, on the host and on the operator's machine, while something runs."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.stack.host import Host

# Reads every process's arguments as often as it can until its input ends; then prints each text once.
SAMPLER = """
import os, select, sys
seen = set()
def sample():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    seen.add(file.read())
            except OSError:
                pass
while not select.select([sys.stdin], [], [], 0.005)[0]:
    sample()
sample()
sys.stdout.buffer.write(b"\\n".join(one.replace(b"\\0", b" ") for one in seen))
"""


class Watch:
    """Samples both machines; `text` holds what was seen once it has ended."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.text: dict[str, str] = {}

    def __enter__(self) -> Self:
        here = subprocess.Popen(
            [sys.executable, "-c", SAMPLER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        self._running = {"operator": here, "host": self._host.begin("python3", "-c", SAMPLER)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for where, process in self._running.items():
            self.text[where], _ = process.communicate("", timeout=30)
