"""Record the memory of containers while something else is measured."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Callable

import psutil

from bench.measuring import Figure

Usage = dict[str, tuple[float, float]]  # service: MiB used, MiB allowed
MIB = 1 << 20
UNITS = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "B": 1 / MIB}
# Computed like the engine does: the memory charged to the container, less inactive file cache.
COUNT = """
cd /sys/fs/cgroup
if [ -f memory.current ]; then
  cat memory.current memory.max; sed -n 's/^inactive_file //p' memory.stat
else
  cd memory; cat memory.usage_in_bytes memory.limit_in_bytes; sed -n 's/^total_inactive_file //p' memory.stat
fi
"""


class Memory:
    """Records the peak memory of each container while open; `look` returns the current usage."""

    def __init__(self, look: Callable[[], Usage]) -> None:
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._most: Usage = {}

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> list[Figure]:
        """Return the peak of each container, with its limit."""
        if not self._most or not all(used for used, _ in self._most.values()):
            raise SystemExit(f"the engine does not tell what containers use: {self._most}")
        return [
            Figure(f"memory of {name}, at most", used, "MiB", limit, note="ratio to its limit")
            for name, (used, limit) in sorted(self._most.items())
        ]

    def _watch(self) -> None:
        while not self._over.wait(2):
            for name, now in self._look().items():
                self._most[name] = max(self._most.get(name, now), now)


def read_usage(run: Callable[..., str]) -> Usage:
    """Return the usage of all containers as `docker stats` reports it; `run` runs a command on the host."""
    found: Usage = {}
    for one in map(json.loads, run("docker", "stats", "--no-stream", "--format", "{{json .}}").splitlines()):
        used, limit = map(mib, str(one["MemUsage"]).split(" / "))
        found[service(str(one["Name"]))] = (used, limit)
    return found


def counted(*names: str) -> Usage:
    """Return the usage of local containers from their control groups: some engines report only zeros."""
    found: Usage = {}
    for name in names:
        asked = ["docker", "exec", name, "sh", "-c", COUNT]
        lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        charged, limit, files = map(int, lines)
        found[service(name)] = ((charged - files) / MIB, limit / MIB)
    return found


def proportional(pid: int) -> float:
    """Return the MiB used by a process and its children; memory that they share is counted once (PSS)."""
    one = psutil.Process(pid)
    total = 0.0
    for each in [one, *one.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().pss / MIB
    return total


def service(name: str) -> str:
    """Return the service name from the name of a container of the stack or of a benchmark."""
    return re.sub(r"^(ragdock|bench-[0-9a-f]+)-|-\d+$", "", name)


def mib(text: str) -> float:
    """Convert a size as Docker prints it to MiB."""
    unit = next(unit for unit in UNITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * UNITS[unit]
