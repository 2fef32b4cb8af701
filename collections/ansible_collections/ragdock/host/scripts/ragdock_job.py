"""Runs one job of the schedule: ragdock-job backup, drill, patch, prune, renew, keys, drift or after-boot.

The work is the playbook of that name in the deployer's directory. Here is only what a playbook cannot
do for itself: one at a time, gently, not for ever, with a log, and with a record even when it is killed.
docs/operate/schedule.md explains it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ansible_collections.ragdock.host.plugins.module_utils import jobs, processes, schedule

SETTINGS = Path("/etc/ragdock/schedule.json")
LOCK = Path("/run/lock/ragdock-job.lock")
LOGS = Path("/var/log/ragdock")
AFTER_BOOT = "after-boot"
LOG_BYTES = 4 << 20
LOGS_KEPT = 5
SETTLE_SECONDS = 600.0
PROJECT = "com.docker.compose.project=ragdock"
TIMED_OUT = 124
BUSY = 75
KILLED = "It was killed before it recorded its result. "
UNFINISHED = "The host went down, or the runner was killed, while it ran. "


class BusyError(Exception):
    """Another job runs, so this one did not start. Its log says so."""


class Runner:
    """One job from its start to its record."""

    def __init__(self, job: str, settings: dict[str, Any]) -> None:
        self.job = job
        self.settings = settings
        # Whether this run repeats one that a restart of the host cut short.
        self.again = False
        self.root = Path(settings["root"])
        self.deployer = self.root / "deployer"
        self.marker = self.root / "state" / "running" / f"{job}.json"

    @property
    def lock(self) -> Path:
        """The lock file of all jobs, or of this one alone if it may run beside the others."""
        beside = self.settings["jobs"][self.job].get("beside_others", False)
        return LOCK.with_name(f"ragdock-job-{self.job}.lock") if beside else LOCK

    @contextlib.contextmanager
    def alone(self, log: IO[str]) -> Iterator[int]:
        """Hold the lock, so that no other job runs; the kernel frees it when runner and playbook end."""
        until = time.monotonic() + self.settings["wait_minutes"] * 60
        with self.lock.open("a+") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    lock.seek(0)
                    holder = lock.read().strip() or "another job"
                    if holder.split()[0] == self.job:
                        say(log, f"not started: {holder} still runs")
                        raise BusyError from None
                    if time.monotonic() > until:
                        minutes = self.settings["wait_minutes"]
                        reason = (
                            f"Waited {minutes} minutes for {holder} to end (ragdock_schedule_wait_minutes)."
                        )
                        self.record(time.time(), reason, log)
                        raise BusyError from None
                time.sleep(1)
            lock.truncate(0)
            lock.write(f"{self.job} (process {os.getpid()}, since {datetime.now(UTC):%F %T} UTC)\n")
            lock.flush()
            yield lock.fileno()

    def record(self, began: float, reason: str, log: IO[str]) -> None:
        """Record a failure that the playbook itself could not record."""
        outcome = jobs.Outcome(self.job, False, began, time.time(), reason)
        entry = jobs.write_record(self.root, outcome)
        namespace, region = self.settings["namespace"], self.settings["region"]
        problem = jobs.put_metrics(entry, namespace, region, self.settings["endpoint_url"])
        say(log, f"failed: {reason}" + (f" Not sent to CloudWatch: {problem}" if problem else ""))

    def known(self) -> str:
        """The hash of the job's record, which shows a change without relying on a clock."""
        state = self.root / "state" / f"{self.job}.json"
        return hashlib.sha256(state.read_bytes()).hexdigest() if state.is_file() else ""

    def recorded_since(self, mark: dict[str, Any]) -> bool:
        """Whether the marked run recorded its result; False for a mark written by an earlier release."""
        return "before" in mark and self.known() != mark["before"]

    def cut_short(self, log: IO[str]) -> None:
        """Record that the previous run died with its playbook, although the host did not restart."""
        mark = self.read_mark()
        if mark and not self.recorded_since(mark):
            self.record(mark["began"], f"{KILLED}Its log: {LOGS / self.job}.log", log)

    def free_lock(self, pid: int, log: IO[str]) -> None:
        """Free the deployment's lock if this job's own dead run left it."""
        # boto3 takes a while to load, and few runs need it.
        from ansible_collections.ragdock.host.plugins.module_utils.aws import deploy_lock as locks

        region, endpoint_url = self.settings["region"], self.settings["endpoint_url"] or None
        lock = locks.Lock.connect(self.settings["lock"], region, endpoint_url)
        try:
            holder = lock.holder()
            if holder and holder.get("machine") == os.uname().nodename and holder.get("pid") == pid:
                lock.remove()
                say(log, "the deployment's lock, left by this run, was freed")
        except locks.UnreadableError as error:
            # The next run will see that the holder is dead.
            say(log, f"the deployment's lock could not be read: {error}")

    def play(self, log: IO[str], lock: int, extra: list[str], before: str) -> tuple[int, int]:
        """Run the playbook; return its process id and exit code, or TIMED_OUT if it was ended."""
        timeout = self.settings["wait_minutes"] * 60
        words = [
            "ionice",
            "-c2",
            "-n7",
            "ansible-playbook",
            "-c",
            "local",
            "-i",
            str(self.deployer / "inventory" / "hosts.yml"),
        ]
        words += [f"playbooks/{self.job}.yml", "-e", f"preflight_lock_timeout={timeout}", *extra]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        # The playbook inherits the lock's descriptor: if this runner is killed, the playbook still holds it.
        processes.adopt_orphans()
        process = subprocess.Popen(
            words,
            cwd=self.deployer,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
        )
        self.mark(process.pid, before)
        try:
            # Its work is limited, not its wait for the deployment's lock, which ends by itself.
            limit = self.settings["jobs"][self.job]["timeout_minutes"] * 60 + timeout
            return process.pid, process.wait(limit)
        except subprocess.TimeoutExpired:
            processes.end_offspring()
            process.wait()
            return process.pid, TIMED_OUT

    def mark(self, pid: int, before: str) -> None:
        """Write a mark, which the next boot finds if this run does not finish."""
        self.marker.parent.mkdir(parents=True, exist_ok=True)
        jobs.replace(
            self.marker,
            json.dumps(
                {
                    "job": self.job,
                    "pid": pid,
                    "boot": processes.boot(),
                    "began": time.time(),
                    "before": before,
                    "again": self.again,
                }
            )
            + "\n",
        )

    def run(self, extra: list[str]) -> int:
        """Run the job from lock to record; return the playbook's exit code."""
        with log_of(self.job) as log, self.alone(log) as lock:
            began = time.time()
            os.nice(10)
            say(log, f"{self.job} started")
            self.cut_short(log)
            if self.job == "patch" and not extra:
                # Left by an earlier patch whose restart never happened.
                self.resume_notes.unlink(missing_ok=True)
            before = self.known()
            pid, code = self.play(log, lock, extra, before)
            if self.job == "patch" and not code and self.resumes():
                say(log, "patch continues after its restart")
                return 0
            if self.known() == before:
                minutes = self.settings["jobs"][self.job]["timeout_minutes"]
                reason = (
                    f"Ended after {minutes} minutes (ragdock_schedule_timeout_minutes)."
                    if code == TIMED_OUT
                    else f"The playbook ended with code {code} before it recorded its result."
                )
                self.record(began, f"{reason} Its log: {LOGS / self.job}.log", log)
                code = code or 1
            if code:
                self.free_lock(pid, log)
            self.marker.unlink(missing_ok=True)
            say(log, f"{self.job} ended with code {code} after {time.time() - began:.0f} s")
            return code

    @property
    def resume_notes(self) -> Path:
        """The notes that a patch leaves for the run after the restart."""
        return self.root / "state" / "patch-resume.json"

    def resumes(self) -> bool:
        """Whether a patch left notes for the run after the restart."""
        return self.resume_notes.is_file()

    def read_mark(self) -> dict[str, Any]:
        """The mark of a run that did not finish; empty without one."""
        try:
            return dict(json.loads(self.marker.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return {}

    def unfinished(self) -> dict[str, Any]:
        """The mark of a run that a restart of the host cut short; empty without one."""
        mark = self.read_mark()
        return mark if mark.get("boot") != processes.boot() else {}


@contextlib.contextmanager
def log_of(job: str) -> Iterator[IO[str]]:
    """The job's log, rotated when it is large; a few old ones stay."""
    LOGS.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = LOGS / f"{job}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        for number in range(LOGS_KEPT - 1, 0, -1):
            older = LOGS / f"{job}.log.{number}"
            if older.exists():
                older.rename(LOGS / f"{job}.log.{number + 1}")
        path.rename(LOGS / f"{job}.log.1")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    with os.fdopen(descriptor, "a", encoding="utf-8") as log:
        yield log


def say(log: IO[str], text: str) -> None:
    """Write a line of the runner to the log."""
    log.write(f"--- {datetime.now(UTC):%FT%TZ} {text}\n")
    log.flush()


def settle(log: IO[str]) -> None:
    """Wait until the stack has started again, or until SETTLE_SECONDS have passed."""
    words = ["docker", "ps", "--all", "--format", "{{.Status}}", "--filter", f"label={PROJECT}"]
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        asked = subprocess.run(words, capture_output=True, text=True, check=False)
        states = asked.stdout.splitlines()
        if not asked.returncode and all("(healthy)" in state for state in states):
            say(log, f"{len(states)} containers are healthy")
            return
        time.sleep(3)
    say(
        log,
        f"not every container was healthy within {SETTLE_SECONDS:.0f} s; the jobs will report what is wrong",
    )


def after_boot(settings: dict[str, Any]) -> int:
    """Finish what a reboot interrupted on purpose, then run what was due while the host was down."""
    # Runs due before the schedule was written were not missed.
    since = datetime.fromtimestamp(SETTINGS.stat().st_mtime, UTC)
    codes = [0]
    with log_of(AFTER_BOOT) as log:
        settle(log)
        # A patch that waits for this restart comes first.
        for job in sorted(settings["jobs"], key=lambda job: job != "patch"):
            runner, due = Runner(job, settings), schedule.parse(settings["jobs"][job]["schedule"])
            state, resume = jobs.read_state(runner.root, job), []
            again = due is not None and schedule.missed(due, state, since, datetime.now(UTC))
            mark = runner.unfinished()
            if mark:
                runner.marker.unlink()
                runner.free_lock(mark["pid"], log)
                if job == "patch" and runner.resumes():
                    again, resume = True, ["-e", "patching_resume=true"]
                elif not runner.recorded_since(mark):
                    # Repeat it only once: it may be the job that takes the host down.
                    again = not mark.get("again", False)
                    runner.record(mark["began"], f"{UNFINISHED}Its log: {LOGS / job}.log", log)
            if again:
                say(
                    log, f"{job} {'continues' if resume else 'was due while the host was down, or cut short'}"
                )
                runner.again = bool(mark)
                try:
                    codes.append(runner.run(resume))
                except BusyError:
                    # Continue: the jobs after it were due as well.
                    codes.append(BUSY)
    return max(codes)


def main() -> int:
    """Read the arguments and the settings, run."""
    settings = json.loads(SETTINGS.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=[*settings["jobs"], AFTER_BOOT])
    job = parser.parse_args().job
    try:
        return after_boot(settings) if job == AFTER_BOOT else Runner(job, settings).run([])
    except BusyError:
        return BUSY
