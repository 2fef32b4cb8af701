"""One changing run at a time; a dead one does not block the next; a live one is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import psutil
import pytest

from ansible_collections.ragdock.host.plugins.module_utils.aws import deploy_lock as lock_file
from tests.local_aws import LocalAws
from tests.unit.role_files import COLLECTIONS


@pytest.fixture
def lock(ssm: Any, request: pytest.FixtureRequest) -> Any:
    """A lock of its own for each test."""
    return lock_file.Lock(ssm, f"/ragdock/{request.node.name}/lock")


def holder_of(process: psutil.Process, **changes: Any) -> dict[str, Any]:
    """A lock holder whose process is PROCESS."""
    me: dict[str, Any] = lock_file.myself("deploy")
    return me | {"pid": process.pid, "started": round(process.create_time(), 2)} | changes


@pytest.fixture
def ended() -> dict[str, Any]:
    """A lock holder whose process has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        holder = holder_of(psutil.Process(process.pid))
        assert process.stdin
        process.stdin.close()
    return holder


def test_a_free_lock_is_taken_and_taken_again_by_the_same_run(lock: Any) -> None:
    """site.yml takes it more than once."""
    me = lock_file.myself("site")
    assert lock_file.take(lock, me, False) == {"held": True}
    assert lock_file.take(lock, me, False) == {"held": True}
    lock.remove()
    lock.remove()
    assert lock.holder() is None


def test_a_living_holder_is_named_and_keeps_its_lock(lock: Any) -> None:
    """Not even break_lock takes the lock from a live run of this machine: that run can be stopped instead."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = holder_of(psutil.Process(process.pid))
        lock.create(other)
        for break_lock in (False, True):
            result = lock_file.take(lock, lock_file.myself("destroy"), break_lock)
            assert result["held"] is False
            assert (
                f"'deploy' of {other['who']} on {other['machine']} (process {process.pid}"
                in result["refusal"]
            )
        assert lock.holder() == other
        assert process.stdin
        process.stdin.close()


def test_a_dead_holder_is_replaced_and_reported(lock: Any, ended: dict[str, Any]) -> None:
    """A killed run cannot release its lock."""
    lock.create(ended)
    me = lock_file.myself("deploy")
    assert lock_file.take(lock, me, False) == {"held": True, "taken_from": ended}
    assert lock.holder() == me


def test_a_name_that_is_busy_after_deletion_is_waited_for(
    local: LocalAws, lock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two playbooks: AWS keeps the name of a deleted lock reserved for a while."""
    monkeypatch.setattr(lock_file, "PAUSE_SECONDS", 0.2)
    with local.fault("names-busy", 1):
        me = lock_file.myself("deploy")
        assert lock_file.take(lock, me, False) == {"held": True}
        lock.remove()
        assert lock_file.take(lock, me, False) == {"held": True}
        assert lock.holder() == me


def test_a_name_that_stays_busy_is_refused_without_naming_a_run(
    local: LocalAws, lock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above all, the message must not name the run itself."""
    monkeypatch.setattr(lock_file, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(lock_file, "BUSY_SECONDS", 0.3)
    with local.fault("names-busy", 60):
        me = lock_file.myself("deploy")
        lock.create(me)
        lock.remove()
        result = lock_file.take(lock, me, False)
    assert result["held"] is False
    assert "AWS has not released its name yet" in result["refusal"]
    assert str(me["pid"]) not in result["refusal"]


def test_a_dead_holders_lock_is_taken_over_although_its_name_is_busy(
    local: LocalAws, lock: Any, ended: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A takeover deletes the lock and creates it again."""
    monkeypatch.setattr(lock_file, "PAUSE_SECONDS", 0.2)
    with local.fault("names-busy", 1):
        lock.create(ended)
        me = lock_file.myself("deploy")
        assert lock_file.take(lock, me, False) == {"held": True, "taken_from": ended}
        assert lock.holder() == me


def test_a_stale_read_deletes_no_live_lock(
    local: LocalAws, lock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read may not yet see another run's lock that was just created."""
    monkeypatch.setattr(lock_file, "PAUSE_SECONDS", 0.1)
    other = lock_file.myself("deploy") | {"machine": "elsewhere"}
    with local.fault("stale-reads"):
        lock.create(other)
        result = lock_file.take(lock, lock_file.myself("deploy"), False)
    assert result["held"] is False
    assert "on elsewhere" in result["refusal"]
    assert lock.holder() == other


def test_a_throttled_lock_is_taken(local: LocalAws, lock: Any) -> None:
    with local.fault("throttling", 2):
        assert lock_file.take(lock, lock_file.myself("deploy"), False) == {"held": True}


def test_a_reused_process_number_is_no_life(lock: Any) -> None:
    """By now the dead holder's process number may belong to another process."""
    lock.create(holder_of(psutil.Process(), started=1.0))
    assert lock_file.take(lock, lock_file.myself("deploy"), False)["held"] is True


def test_a_holder_on_another_machine_is_refused_unless_forced(lock: Any, ended: dict[str, Any]) -> None:
    """Whether that process is alive cannot be seen from this machine."""
    lock.create(ended | {"machine": "elsewhere"})
    me = lock_file.myself("deploy")
    refused = lock_file.take(lock, me, False)
    assert refused["held"] is False
    assert "-e break_lock=true" in refused["refusal"]
    assert lock_file.take(lock, me, True)["held"] is True


def test_of_two_that_find_the_same_dead_holder_one_wins(lock: Any, ended: dict[str, Any]) -> None:
    """Both may have read it before either removed it."""
    lock.create(ended)
    results: list[dict[str, Any]] = []
    # Both are alive, so the later one finds a holder that it may not replace.
    mine = psutil.Process()
    runs = [holder_of(mine), holder_of(mine.parent() or psutil.Process(1))]
    threads = [
        threading.Thread(target=lambda run=run: results.append(lock_file.take(lock, run, False)))
        for run in runs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result["held"] for result in results) == [False, True]


def test_the_run_is_the_outermost_ansible_playbook() -> None:
    """A module's own process ends within a second; the lock must outlive it."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", code, "ansible-playbook"], stdin=subprocess.PIPE) as run:
        outer = psutil.Process(run.pid)
        while not (children := outer.children()):
            outer.status()
        assert lock_file.run_process(children[0]).pid == run.pid
        assert run.stdin
        run.stdin.close()


RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from ansible_collections.ragdock.host.plugins.module_utils.aws import deploy_lock as module
sys.argv[0] = "ansible-playbook"
lock = module.Lock.connect(sys.argv[2])
me = module.myself("deploy")
assert module.take(lock, me, False)["held"]
module.watch(lock, me)
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_ends_its_lock_is_freed(lock: Any, aws_server: str, ending: signal.Signals) -> None:
    """The signal reaches the whole group, as at a terminal; the watcher is outside it and ends by itself."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL": aws_server, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
    }  # fmt: skip
    words = [sys.executable, "-c", RUN, str(COLLECTIONS), lock.name]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == b"held\n"
        # The watcher must not keep the run's output open: its reader would wait for it.
        assert lock.holder()["pid"] == run.pid
        os.killpg(run.pid, ending)
        assert run.stdout.read() == b""
        run.wait()
    until = time.monotonic() + 10
    while lock.holder():
        assert time.monotonic() < until, "the lock of a run that ended is still held"
        time.sleep(0.1)
    while [one for one in psutil.process_iter(["cmdline"]) if lock.name in (one.info["cmdline"] or [])]:
        assert time.monotonic() < until, "the watcher stays"
        time.sleep(0.1)


def test_a_watcher_leaves_the_next_runs_lock_alone(lock: Any, ended: dict[str, Any]) -> None:
    """The next run may take the lock before the watcher removes it."""
    me = lock_file.myself("deploy")
    lock.create(me)
    lock_file.free_at_the_end(lock, ended)
    assert lock.holder() == me
    lock.remove()
    lock.create(ended)
    lock_file.free_at_the_end(lock, ended)
    assert lock.holder() is None
