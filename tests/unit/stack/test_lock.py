"""Only one process holds the lock; one that waits in vain is shown why."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.locks import locked


def test_the_second_is_refused_in_the_callers_words_and_its_block_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        locked(path, 0, RuntimeError("first")),
        pytest.raises(RuntimeError, match="someone works here"),
        locked(path, 0, RuntimeError("someone works here")),
    ):
        pytest.fail("the second got in")
    with locked(path, 0, RuntimeError("free again")):
        pass


def test_a_waiting_run_gets_the_lock_when_the_first_is_done(tmp_path: Path) -> None:
    path, held, done = tmp_path / "lock", threading.Event(), threading.Event()

    def first() -> None:
        with locked(path, 0, RuntimeError("first")):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(10)
    threading.Timer(0.1, done.set).start()
    with locked(path, 10, RuntimeError("second"), pause=0.02):
        assert done.is_set()
    thread.join()


def test_what_stands_in_the_file_stays(tmp_path: Path) -> None:
    """The lock file may be one with content."""
    path = tmp_path / "lock"
    path.write_text("who")
    with locked(path, 0, RuntimeError("first")):
        pass
    assert path.read_text() == "who"
