"""Wakes what was paused inside a container, so that the container can end.

A process that version 1 of the kernel's control groups holds frozen takes no signal until it
goes on, not even the last one, and a host of the sandbox pauses its own containers. Version 2
lets frozen processes be killed; there, nothing is found here.
"""

from __future__ import annotations

from pathlib import Path

FREEZER = Path("/sys/fs/cgroup/freezer")
THAWED = "THAWED"


def thaw(container_id: str) -> list[Path]:
    """Wake everything at and below a container's control group; the groups that had been frozen."""
    woken = []
    for state in sorted(FREEZER.glob(f"**/{container_id}/**/freezer.state")):
        if state.read_text().strip() != THAWED:
            state.write_text(THAWED)
            woken.append(state.parent)
    return woken
