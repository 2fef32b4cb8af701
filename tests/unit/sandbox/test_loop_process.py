"""`up` replaces a host loop that is dead, duplicated or of older code, and leaves a current one alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import sandbox
from sandbox import daemon
from sandbox.settings import Sandbox

# `up` starts the loop and exits before it, so Python warns about a child that was not waited for.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# The real supervisor with a worker that touches nothing, in place of the one that follows the AWS APIs.
PROGRAM = """
import sys, threading
from pathlib import Path
from sandbox import daemon
from sandbox.settings import Sandbox
if "--worker" in sys.argv:
    stop = threading.Event()
    daemon.end_with_supervisor(stop.set)
    stop.wait()
else:
    daemon.supervise(Sandbox(name="loop-test", checkout=Path.cwd()))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Sandbox]:
    """A checkout whose `python -m sandbox loop` is the program above."""
    package = tmp_path / "sandbox"
    (package / "host").mkdir(parents=True)
    (package / "__init__.py").write_text(f"__path__.append({str(Path(sandbox.__file__).parent)!r})\n")
    (package / "__main__.py").write_text(PROGRAM)
    made = Sandbox(name="loop-test", checkout=tmp_path)
    yield made
    daemon.stop(made)


def worker_of(supervisor: psutil.Process) -> psutil.Process:
    """The worker, once it has started."""
    until = time.monotonic() + 30
    while not (children := supervisor.children()):
        assert time.monotonic() < until, "the supervisor starts no worker"
        time.sleep(0.05)
    return children[0]


def running(made: Sandbox) -> psutil.Process:
    """The running loop."""
    found = daemon.process(made)
    assert found is not None
    return found


def test_a_loop_that_lives_is_left_alone(checkout: Sandbox) -> None:
    assert daemon.start(checkout)
    before = running(checkout)
    assert not daemon.start(checkout)
    assert running(checkout) == before


def test_a_dead_loop_is_started_again_and_leaves_no_worker_behind(checkout: Sandbox) -> None:
    """Its worker is not notified when the loop is killed, for example by the kernel for lack of memory."""
    daemon.start(checkout)
    before = running(checkout)
    worker = worker_of(before)
    os.kill(before.pid, signal.SIGKILL)
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()
    assert daemon.process(checkout) is None
    assert daemon.start(checkout)
    assert running(checkout) != before


def test_a_loop_of_older_code_makes_way(checkout: Sandbox) -> None:
    """Otherwise it would continue to do what was corrected."""
    daemon.start(checkout)
    before = running(checkout)
    (checkout.checkout / "sandbox/corrected.py").write_text("")
    assert daemon.start(checkout)
    assert not before.is_running()
    assert running(checkout) != before


def test_a_number_that_another_process_has_by_now_is_no_loop(checkout: Sandbox) -> None:
    """After a restart of the machine, the recorded number may belong to a process that must not be ended."""
    checkout.state.mkdir()
    record = {"pid": str(os.getpid()), "started": "1.0", "code": ""}
    (checkout.state / "loop.json").write_text(json.dumps(record))
    assert daemon.process(checkout) is None
    assert not daemon.stop(checkout)
