"""Checks that the worker's loop is running: the file it touches must be recent. Standard library only.

The container's health check runs this every half minute, even on a busy machine: importing the worker's own
modules would cost a second of CPU time each time, and a check that times out makes a good release look
broken.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# The container's own tmpfs.
PATH = Path("/tmp/heartbeat")  # noqa: S108
# Seconds. The worker touches the file between batches, and one batch may time out several times.
LONGEST = 600.0


def health() -> int:
    """Return 0 if the heartbeat is recent, else print the reason and return 1; HEARTBEAT_* override."""
    path = Path(os.environ.get("HEARTBEAT_PATH") or PATH)
    longest = float(os.environ.get("HEARTBEAT_MAX_AGE") or LONGEST)
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        sys.stderr.write(f"no heartbeat at {path}: the worker has not started its loop\n")
        return 1
    if age > longest:
        sys.stderr.write(f"the heartbeat is {age:.0f} s old, over {longest:.0f} s: the worker hangs\n")
        return 1
    return 0
