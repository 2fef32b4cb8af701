"""Handles a risky part of a file in its own process: if that dies, only this part of the file is lost."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

_PIECE = 1 << 20


def apart(work: Callable[[], bytes], seconds: float, most: int) -> bytes | None:
    """Run `work` in a forked process; None if that dies, takes too long or returns more than `most` bytes.

    The fork inherits the memory limits of the parsing process, which has one thread and so may fork.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no memory or no process left: the part is lost, and reported
        os.close(reading)
        os.close(writing)
        return None
    if child == 0:
        _answer(work, reading, writing)
    os.close(writing)
    deadline = time.monotonic() + seconds
    found = bytearray()
    try:
        while len(found) <= most:
            if not select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            piece = os.read(reading, _PIECE)
            if not piece:
                break
            found += piece
        else:
            return None
    finally:
        os.close(reading)
        if len(found) > most or time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    return bytes(found) if status == 0 else None


def _answer(work: Callable[[], bytes], reading: int, writing: int) -> None:
    """Run the forked process, which always ends here: it must never continue its parent's work."""
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as out:
            out.write(work())
        code = 0
    finally:
        os._exit(code)
