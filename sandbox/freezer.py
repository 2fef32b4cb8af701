"""Resumes processes that were paused inside a container, so that the container can end.

With version 1 of control groups, a frozen process receives no signal until it is resumed, not
even SIGKILL, and a host of the sandbox pauses its own containers. With version 2 frozen
processes can be killed, and this module finds nothing to do.
"""

from __future__ import annotations

from pathlib import Path

import psutil

FREEZER = Path("/sys/fs/cgroup/freezer")
THAWED = "THAWED"


def thaw(first: int) -> None:
    """Resume each control group that has this process or one of its descendants.

    Groups cannot be found by their path: an engine inside a container creates its groups beside the
    container's own group.
    """
    for state in sorted(FREEZER.glob("**/freezer.state")):
        if state.read_text().strip() != THAWED and any(
            _descends(int(one), first) for one in (state.parent / "cgroup.procs").read_text().split()
        ):
            state.write_text(THAWED)


def _descends(process: int, first: int) -> bool:
    try:
        found = psutil.Process(process)
        return first in {process, *(one.pid for one in found.parents())}
    except psutil.NoSuchProcess:
        return False
