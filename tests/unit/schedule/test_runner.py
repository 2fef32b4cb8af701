"""The runner as a real process, with a script for a playbook: timeouts, overlap, missing results, reboots."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Template

from tests.local_aws import local_aws
from tests.unit.role_files import COLLECTIONS, ROLES

# Replaces ansible-playbook: the runner sees only a program, its exit code and what it leaves.
GOOD = """
import sys; sys.path.insert(0, {collections!r})
import time, pathlib
from ansible_collections.ragdock.host.plugins.module_utils import jobs
jobs.write_record(pathlib.Path({root!r}), jobs.Outcome({job!r}, True, time.time(), time.time()))
"""


class Bench:
    """A host in a directory: settings, control copy, and programs at the front of the PATH."""

    def __init__(self, where: Path, endpoint: str) -> None:
        self.root = where / "ragdock"
        self.programs = where / "bin"
        self.programs.mkdir()
        self.collections = self.root / "deployer" / "collections"
        shutil.copytree(COLLECTIONS, self.collections, ignore=shutil.ignore_patterns("__pycache__"))
        settings = {
            "root": str(self.root), "namespace": "Ragdock/unit", "region": "us-east-1", "wait_minutes": 0.05,
            "endpoint_url": endpoint, "lock": "/ragdock/unit/lock",
            "jobs": {job: {"schedule": "", "timeout_minutes": 1} for job in ("backup", "drill", "patch")},
        }  # fmt: skip
        self.lock = where / "job.lock"
        self.settings = where / "schedule.json"
        self.settings.write_text(json.dumps(settings))
        module = self.collections / "ansible_collections/ragdock/host/scripts/ragdock_job.py"
        text = module.read_text()
        for old, new in (
            ("/etc/ragdock/schedule.json", self.settings),
            ("/run/lock/ragdock-job.lock", self.lock),
            ("/var/log/ragdock", where / "log"),
        ):
            assert old in text
            text = text.replace(old, str(new))
        text = text.replace('"PATH": "', f'"PATH": "{self.programs}:')
        # The tests need not wait for a stack that does not exist.
        text = text.replace("SETTLE_SECONDS = 600.0", "SETTLE_SECONDS = 0.0")
        module.write_text(text)
        self.runner = where / "ragdock-job"
        launcher = Template((ROLES / "schedule/templates/ragdock-job.j2").read_text())
        self.runner.write_text(launcher.render(ragdock_root=self.root))
        self.log = where / "log"

    def change(self, **settings: Any) -> None:
        """Change settings of all jobs."""
        found = json.loads(self.settings.read_text())
        for job in found["jobs"].values():
            job |= settings
        self.settings.write_text(json.dumps(found))

    def playbook(self, code: str) -> None:
        """Set the code that ansible-playbook runs."""
        path = self.programs / "ansible-playbook"
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)

    def good(self, job: str) -> str:
        """Code of a playbook that records its success."""
        return GOOD.format(collections=str(self.collections), root=str(self.root), job=job)

    def held(self, job: str) -> str:
        """Code of a playbook that works until `go` is called, then records its success."""
        go = str(self.root / "go")
        return f"import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.1)\n" + self.good(job)

    def go(self) -> None:
        """Let a held playbook finish."""
        (self.root / "go").touch()

    def start(self, job: str) -> subprocess.Popen[bytes]:
        """Start a job."""
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "unit", "AWS_SECRET_ACCESS_KEY": "unit"}
        return subprocess.Popen([sys.executable, str(self.runner), job], env=environment)

    def run(self, job: str) -> int:
        """Run a job and return its exit code."""
        return self.start(job).wait(120)

    def mark(self) -> dict[str, Any]:
        """The mark of a backup that begins now and is interrupted by a reboot before its record."""
        state = self.root / "state/backup.json"
        known = hashlib.sha256(state.read_bytes()).hexdigest() if state.exists() else ""
        return {"job": "backup", "pid": 1, "boot": "another", "began": time.time(), "before": known}

    def is_free(self) -> bool:
        """No process holds the lock. One that was killed holds it until the kernel has ended it."""
        with self.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def state(self, job: str) -> dict[str, Any]:
        """The recorded state of a job."""
        found: dict[str, Any] = json.loads((self.root / "state" / f"{job}.json").read_text())
        return found


def until(what: Callable[[], bool]) -> None:
    """Wait until the condition is met, for a limited time."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def aws() -> Any:
    """The address of an AWS on a free port."""
    with local_aws() as address:
        yield address


@pytest.fixture
def bench(tmp_path: Path, aws: str) -> Bench:
    """A host with these programs."""
    return Bench(tmp_path, aws)


def test_a_playbook_that_records_its_success_ends_the_job_well(bench: Bench) -> None:
    """The playbook writes the record itself; the log shows when it began and ended."""
    bench.playbook(bench.good("backup") + "print('hello')")
    assert bench.run("backup") == 0
    assert bench.state("backup")["ok"] is True
    log = (bench.log / "backup.log").read_text()
    assert "backup started" in log
    assert "hello" in log
    assert "ended with code 0" in log
    assert not (bench.root / "state/running/backup.json").exists()


def test_a_job_reads_one_file_of_the_inventorys_directory(bench: Bench) -> None:
    """The settings schema is in the same directory but names no host."""
    bench.playbook("import sys; print(sys.argv)\n" + bench.good("backup"))
    assert bench.run("backup") == 0
    assert f"'{bench.root}/deployer/inventory/hosts.yml'" in (bench.log / "backup.log").read_text()


@pytest.mark.parametrize("code", [0, 2])
def test_a_playbook_that_says_nothing_has_failed(bench: Bench, code: int) -> None:
    """A failure never exits with 0, and another exit code is kept."""
    bench.playbook(f"raise SystemExit({code})")
    assert bench.run("backup") == (code or 1)
    assert "before it recorded its result" in bench.state("backup")["reason"]


def test_a_timeout_ends_every_process_and_is_recorded(bench: Bench) -> None:
    """Ansible's workers leave the session, so a signal to the process group would not reach them."""
    bench.change(timeout_minutes=0.05)
    pid = bench.root / "left.pid"
    child = f"import os, time; os.setsid(); open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(99)"
    bench.playbook(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(99)"
    )
    assert bench.run("backup") == 124
    assert "ragdock_schedule_timeout_minutes" in bench.state("backup")["reason"]
    left = Path(f"/proc/{pid.read_text()}/stat")
    # A zombie has ended; nobody has read its exit code yet.
    assert not left.exists() or left.read_text().split()[2] == "Z"


def test_the_wait_for_the_deployments_lock_is_not_part_of_the_time_limit(bench: Bench) -> None:
    """The playbook waits for it. Otherwise a long deployment would end each job that is due meanwhile."""
    bench.change(timeout_minutes=0.02)
    bench.playbook("import time\ntime.sleep(2)\n" + bench.good("backup"))
    assert bench.run("backup") == 0


def test_the_same_job_does_not_run_twice_at_once(bench: Bench) -> None:
    """The second is refused at once, and the first one's record stays."""
    bench.playbook(bench.held("backup"))
    first = bench.start("backup")
    until((bench.root / "state/running/backup.json").exists)
    assert bench.run("backup") == 75
    assert "still runs" in (bench.log / "backup.log").read_text()
    bench.go()
    assert first.wait(120) == 0
    assert bench.state("backup")["ok"] is True


def test_another_job_waits_its_time_then_fails_by_name(bench: Bench) -> None:
    """Two jobs never overlap."""
    bench.playbook(bench.held("backup"))
    first = bench.start("backup")
    until((bench.root / "state/running/backup.json").exists)
    assert bench.run("drill") == 75
    assert "for backup (process" in bench.state("drill")["reason"]
    bench.go()
    assert first.wait(120) == 0


def test_a_killed_runner_leaves_the_lock_to_its_playbook(bench: Bench) -> None:
    """Otherwise the next job would begin while a backup is still writing."""
    bench.playbook(bench.held("backup"))
    first = bench.start("backup")
    until((bench.root / "state/running/backup.json").exists)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert bench.run("drill") == 75
    bench.go()
    until(lambda: (bench.root / "state/backup.json").exists())


def test_a_run_that_died_with_its_playbook_is_put_on_record_by_the_next(bench: Bench) -> None:
    """For example, both were killed for lack of memory, and no restart followed that would find them."""
    bench.playbook(bench.held("backup"))
    first = bench.start("backup")
    marker = bench.root / "state/running/backup.json"
    until(marker.exists)
    first.send_signal(signal.SIGKILL)
    os.killpg(json.loads(marker.read_text())["pid"], signal.SIGKILL)
    first.wait(10)
    until(bench.is_free)
    bench.playbook(bench.good("backup"))
    assert bench.run("backup") == 0
    message = [
        json.loads(line) for line in (bench.root / "state/history/backup.jsonl").read_text().splitlines()
    ]
    assert [one["ok"] for one in message] == [False, True]
    assert message[0]["reason"].startswith("It was killed")


def test_a_clock_set_back_in_mid_run_turns_no_success_into_a_failure(bench: Bench) -> None:
    """The record is recognized by its content, not by its time."""
    past = "time.time = lambda: 1_600_000_000.0\n"
    bench.playbook(bench.good("backup").replace("jobs.write_record", past + "jobs.write_record"))
    assert bench.run("backup") == 0
    assert bench.state("backup")["ok"] is True


def test_a_job_that_another_one_keeps_out_costs_no_other_its_turn(bench: Bench) -> None:
    """After a boot, cron may already have started one of the due jobs."""
    bench.change(schedule="0 0 * * *")
    long_ago = time.time() - 3 * 86400
    os.utime(bench.settings, (long_ago, long_ago))
    bench.playbook(bench.held("backup"))
    first = bench.start("backup")
    until((bench.root / "state/running/backup.json").exists)
    bench.change(schedule="0 0 * * *", timeout_minutes=1)
    os.utime(bench.settings, (long_ago, long_ago))
    assert bench.run("after-boot") == 75
    # Backup is refused at once, the others wait and time out: each reports it itself.
    assert {job: bench.state(job)["reason"].split(" to end")[0][:6] for job in ("drill", "patch")} == {
        "drill": "Waited",
        "patch": "Waited",
    }
    bench.go()
    assert first.wait(120) == 0


def test_what_a_reboot_cut_short_is_recorded_and_run_once_more(bench: Bench) -> None:
    """Only once: a job that brings the host down must not do so at each boot."""
    marker = bench.root / "state/running/backup.json"
    marker.parent.mkdir(parents=True)
    for expected in (True, False):
        bench.playbook("raise SystemExit(3)" if not expected else bench.good("backup"))
        marker.write_text(json.dumps(bench.mark() | {"again": not expected}))
        assert bench.run("after-boot") == 0
        assert not marker.exists()
        state = bench.state("backup")
        assert state["ok"] is expected
        assert expected or state["reason"].startswith("The host went down")


def test_the_mark_of_an_earlier_release_is_read_too(bench: Bench) -> None:
    """Such a mark lacks the earlier record. The job is still repeated, and no other loses its turn."""
    marker = bench.root / "state/running/backup.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({key: value for key, value in bench.mark().items() if key != "before"}))
    bench.playbook(bench.good("backup"))
    assert bench.run("after-boot") == 0
    assert not marker.exists()
    assert bench.state("backup")["ok"]


def test_the_run_that_makes_up_for_one_says_so(bench: Bench) -> None:
    """The next boot needs this mark if the host goes down again."""
    marker = bench.root / "state/running/backup.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps(bench.mark()))
    # The mark names the playbook's process, so it is written after its start.
    bench.playbook(
        f"import json, pathlib, time\nmark = pathlib.Path({str(marker)!r})\nfor _ in range(300):\n"
        f"    if mark.exists() and json.loads(mark.read_text())['again']:\n"
        f"        break\n    time.sleep(0.1)\nelse:\n    raise SystemExit(3)\n" + bench.good("backup")
    )
    assert bench.run("after-boot") == 0
    assert bench.state("backup")["ok"]


def test_a_job_that_a_reboot_met_after_its_record_is_not_run_again(bench: Bench) -> None:
    """In its last seconds it only releases its lock, so its result is final."""
    marker = bench.root / "state/running/backup.json"
    mark = bench.mark()
    bench.playbook(bench.good("backup"))
    assert bench.run("backup") == 0
    message = bench.state("backup")
    marker.write_text(json.dumps(mark))
    assert bench.run("after-boot") == 0
    assert bench.state("backup") == message
    assert not marker.exists()


def test_a_job_that_was_due_while_the_host_was_down_runs(bench: Bench) -> None:
    """The job was scheduled, and its time passed without a run."""
    bench.change(schedule="0 0 * * *")
    long_ago = time.time() - 3 * 86400
    os.utime(bench.settings, (long_ago, long_ago))
    bench.playbook(
        "import sys\njob = sys.argv[5].split('/')[1].split('.')[0]\n" + bench.good("@").replace("'@'", "job")
    )
    assert bench.run("after-boot") == 0
    assert {job: bench.state(job)["ok"] for job in ("backup", "drill", "patch")} == {
        "backup": True, "drill": True, "patch": True,
    }  # fmt: skip
    before = bench.state("backup")
    assert bench.run("after-boot") == 0
    assert bench.state("backup") == before


def test_a_patch_continues_after_its_restart(bench: Bench) -> None:
    """The first run ends without a record, since it has not finished; the run after the boot resumes it."""
    notes = bench.root / "state/patch-resume.json"
    notes.parent.mkdir(parents=True, exist_ok=True)
    bench.playbook(f"open({str(notes)!r}, 'w').write('{{}}')")
    assert bench.run("patch") == 0
    assert not (bench.root / "state/patch.json").exists()
    marker = bench.root / "state/running/patch.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"boot": "another"}))
    bench.playbook(
        f"import os, sys\nassert sys.argv[-1] == 'patching_resume=true'\nos.unlink({str(notes)!r})\n"
        + bench.good("patch")
    )
    assert bench.run("after-boot") == 0
    assert bench.state("patch")["ok"] is True


def test_notes_of_a_restart_that_never_came_are_not_the_next_patchs(bench: Bench) -> None:
    """Otherwise that patch would count as resumed, and the next boot would resume with old notes."""
    notes = bench.root / "state/patch-resume.json"
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text("{}")
    bench.playbook(bench.good("patch"))
    assert bench.run("patch") == 0
    assert not notes.exists()
    assert not (bench.root / "state/running/patch.json").exists()


def test_a_large_log_is_rotated(bench: Bench) -> None:
    """A few old logs are kept."""
    bench.log.mkdir()
    (bench.log / "backup.log").write_bytes(b"x" * (5 << 20))
    for number in range(1, 6):
        (bench.log / f"backup.log.{number}").write_text(str(number))
    bench.playbook(bench.good("backup"))
    assert bench.run("backup") == 0
    assert (bench.log / "backup.log").stat().st_size < 10_000
    assert (bench.log / "backup.log.1").stat().st_size == 5 << 20
    assert sorted(path.name for path in bench.log.glob("backup.log.*"))[-1] == "backup.log.5"
    assert (bench.log / "backup.log.5").read_text() == "4"
