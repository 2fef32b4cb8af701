"""Processes of this host: the descendants of this one, and the current boot."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

TERM_SECONDS = 20.0
KILL_SECONDS = 5.0
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes (subreaper)."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def boot() -> str:
    """Identify this boot: the kernel's boot id, which a container keeps, and the start time of process 1."""
    first = Path("/proc/1/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()}/{first}"


def offspring() -> list[int]:
    """List all descendants of this process; as a subreaper it also has those whose parents ended."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, ahead = [], [os.getpid()]
    while ahead:
        below = parents.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def end_offspring() -> None:
    """Ask every process below this one to end, and kill it when it does not."""
    for number, timeout in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        until = time.monotonic() + timeout
        while (pids := offspring()) and time.monotonic() < until:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.5)
