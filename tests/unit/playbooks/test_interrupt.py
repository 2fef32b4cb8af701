"""Ctrl-C ends a run, even one that waits for a lock of a stopped worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COLLECTIONS = Path(__file__).parents[3] / "collections"
# Replaces ansible-playbook's main process: it handles Ctrl-C, then cleans up as `tidy` says.
# Short sleeps, as in the original: a signal just before a sleep does not cut it short.
RUN = """
import threading, time
from ansible_collections.ragdock.host.plugins.callback.interrupt import CallbackModule
CallbackModule(grace_seconds={grace})
try:
    print("runs", flush=True)
    for _ in range(6000):
        time.sleep(0.01)
except KeyboardInterrupt:
    {tidy}
    print("tidied up", flush=True)
    raise SystemExit(99)
"""


def interrupted(tidy: str, grace: int) -> tuple[int, str, str]:
    """Interrupt a run with Ctrl-C and return its exit code, output and error output."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN.format(tidy=tidy, grace=grace)],
        cwd=COLLECTIONS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "runs\n"
        os.kill(run.pid, signal.SIGINT)
        message, error = run.communicate(timeout=30)
        return run.returncode, message, error


def test_a_run_that_tidies_up_in_time_is_left_alone() -> None:
    """The normal case of Ctrl-C."""
    code, message, error = interrupted("pass", grace=20)
    assert (code, message) == (99, "tidied up\n")
    assert "start the same command again" in error


@pytest.mark.parametrize("lock", ["threading.Lock()", "__import__('multiprocessing').Lock()"])
def test_a_run_that_hangs_is_ended_and_says_what_to_do(lock: str) -> None:
    """A lock whose owner is gone is never released."""
    code, message, error = interrupted(f"lock = {lock}; lock.acquire(); lock.acquire()", grace=1)
    assert code == -signal.SIGALRM
    assert message == ""
    assert "start the same command again" in error
