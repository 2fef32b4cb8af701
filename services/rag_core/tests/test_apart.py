"""Work in a separate process returns its bytes or nothing, and never harms the calling process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rag_core.extract.apart import apart


def test_bytes_come_back_whole() -> None:
    assert apart(lambda: b"tide" * 1_000_000, 30, 4_000_000) == b"tide" * 1_000_000


def dies() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def fails() -> bytes:
    raise ValueError


def hangs() -> bytes:
    time.sleep(60)
    return b""


@pytest.mark.parametrize("work", [dies, fails, hangs, lambda: bytes(3_000_000)])
def test_work_that_goes_wrong_gives_nothing(work: Callable[[], bytes]) -> None:
    started = time.monotonic()
    assert apart(work, 0.5, 2_000_000) is None
    assert time.monotonic() - started < 20


def test_no_process_and_no_file_is_left_behind() -> None:
    before = what_is_open()
    for work in (dies, fails, lambda: b"tide"):
        apart(work, 5, 100)
    assert not what_is_open() - before


def what_is_open() -> set[str]:
    """The targets of this process's open files, and its child processes.

    Another test's parser may be a child, and another test's sockets may be closed in between:
    so only new entries count as leaked.
    """
    files = set()
    for opened in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the directory listing's own descriptor
            files.add(str(opened.readlink()))
    return files | {f"child {one.pid}" for one in psutil.Process().children()}
