"""A lock on a file that the kernel frees with its holder, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, patience: float, refusal: Exception, pause: float = 0.5) -> Iterator[None]:
    """Hold the lock; raise `refusal` when another holder keeps it for longer than the patience in seconds."""
    with path.open("a") as lock:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise refusal from error
                time.sleep(pause)
        yield
