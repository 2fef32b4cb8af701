"""Pause the worker, so that nothing is written while a view of its work is taken.

A paused worker must never stay paused, even if this process is killed: before the pause, a systemd
timer is set that resumes it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.docker import LABEL, EngineError, Run, docker

WORKER = "rag-worker"
BUSY_SECONDS = 0.5


def _ids(run: Run, project: str, *filters: str) -> list[str]:
    conditions = [f"label={LABEL}.project={project}", f"label={LABEL}.service={WORKER}", *filters]
    return docker(run, "ps", "--quiet", *(word for one in conditions for word in ("--filter", one))).split()


def resume(run: Run, project: str) -> list[str]:
    """Resume workers that an earlier run left paused; return their ids."""
    stuck = _ids(run, project, "status=paused")
    if stuck:
        code, _unused, err = run(["docker", "unpause", *stuck])
        if code != 0:
            raise EngineError(f"the worker is paused and cannot be resumed: {err.strip()}")
    return stuck


@contextlib.contextmanager
def paused(run: Run, project: str, seconds: float) -> Iterator[None]:
    """Pause the workers for no longer than `seconds`."""
    ids = _ids(run, project, "status=running")
    if not ids:
        yield
        return
    guard = f"ragdock-resume-worker-{os.getpid()}"
    # Without the property a timer may be a minute late.
    words = ["systemd-run", "--quiet", "--collect", "--unit", guard, "--timer-property=AccuracySec=1s"]
    words += [f"--on-active={seconds:.0f}"]
    code, _unused, err = run([*words, "docker", "unpause", *ids])
    if code != 0:
        raise EngineError(f"the timer that resumes the worker could not be set: {err.strip()}")
    try:
        docker(run, "pause", *ids)
        yield
    finally:
        resume(run, project)
        run(["systemctl", "stop", f"{guard}.timer"])


def writable(database: Path) -> bool:
    """Whether no process is paused in the middle of a write to it."""
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True
