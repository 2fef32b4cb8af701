"""Whether the worker's loop turns: the file it touches is young. Standard library only.

The container's health check runs this every half minute, also on a busy machine: what the worker itself
imports would cost a second of processor each time, and a check that is too late makes a good release look
broken.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# The container's own tmpfs.
PATH = Path("/tmp/heartbeat")  # noqa: S108
# Seconds. The worker beats between batches; at most one batch that times out several times over lies between.
LONGEST = 600.0


def health() -> int:
    """Exit code: 0 while the heartbeat is fresh, else 1 with the reason; HEARTBEAT_* override."""
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
