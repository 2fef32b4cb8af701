"""Stops the Docker Engine that bootstrap.sh started on a machine without an init system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

# File in the sandbox's state folder, written by sandbox/bootstrap.sh.
RECORD = "dockerd.pid"
STOP_SECONDS = 60
PRUNE = "docker builder prune --all"


def ours(record: Path) -> psutil.Process | None:
    """Return the process that bootstrap.sh recorded, if it is alive and still a Docker Engine."""
    try:
        found = psutil.Process(int(record.read_text()))
        return found if found.name() == "dockerd" else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def end(client: Any, engine: psutil.Process | None) -> tuple[list[str], str]:
    """Stop the engine and empty its build cache; return what was removed, and a note on what stays and why.

    Raises psutil.TimeoutExpired if the engine does not end.
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
