"""Wakes what was paused inside a container, so that the container can end.

A process that version 1 of the kernel's control groups has frozen takes no signal until it
is resumed, not even SIGKILL, and a host of the sandbox pauses its own containers. Version 2
lets frozen processes be killed; there, nothing is found here.
"""

from __future__ import annotations

from pathlib import Path

import psutil

FREEZER = Path("/sys/fs/cgroup/freezer")
THAWED = "THAWED"


def thaw(first: int) -> None:
    """Wake each control group with a process that descends from this one, or is it.

    The path of a group does not show its owner: an engine inside a container makes its groups beside that
    container's own.
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
