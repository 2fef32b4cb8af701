"""The Docker Engine that bootstrap.sh started, where no init system does: ours to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

# Below a sandbox's state; sandbox/bootstrap.sh writes it.
RECORD = "dockerd.pid"
STOP_SECONDS = 60
PRUNE = "docker builder prune --all"


def ours(record: Path) -> psutil.Process | None:
    """The process that the bootstrap recorded, if it is alive and still an engine."""
    try:
        found = psutil.Process(int(record.read_text()))
        return found if found.name() == "dockerd" else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def end(client: Any, engine: psutil.Process | None) -> tuple[list[str], str]:
    """Stop it and take away what builds left in it: what was removed, and a word on what stays and why.

    Raises psutil.TimeoutExpired when it does not end.
    """
    if engine is None:
        return [], f"The Docker Engine was here before and stays, its build cache too ({PRUNE} empties that)."
    if others := sorted(container.name for container in client.containers.list(all=True)):
        return (
            [],
            f"The Docker Engine (process {engine.pid}) and its build cache stay for {', '.join(others)}.",
        )
    freed = int(client.api.prune_builds(all=True).get("SpaceReclaimed") or 0)
    engine.terminate()
    engine.wait(STOP_SECONDS)
    return [f"build cache ({freed >> 20} MiB)", f"Docker Engine (process {engine.pid})"], ""
