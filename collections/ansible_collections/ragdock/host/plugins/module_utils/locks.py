"""A file lock that the kernel frees when its holder ends, even if it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, timeout: float, refusal: Exception, pause: float = 0.5) -> Iterator[None]:
    """Hold the lock; raise `refusal` when another holder keeps it for longer than `timeout` seconds.

    A symbolic link is not followed: containers can write in some of these directories, and this runs as root.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "a") as lock:
        until = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise refusal from error
                time.sleep(pause)
        yield
