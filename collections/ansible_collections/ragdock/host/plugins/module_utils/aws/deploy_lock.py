"""A lock in the Parameter Store, so that only one run at a time changes a deployment."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients

with suppress(ImportError):
    import psutil
    from botocore.exceptions import BotoCoreError, ClientError

SETTLE_SECONDS = 1.0
# AWS may refuse the name of a deleted parameter for 30 seconds.
BUSY_SECONDS = 45.0
PAUSE_SECONDS = 2.0
BUSY = (
    "The lock of a run that ended a moment ago was deleted, and AWS has not released its name yet. "
    "Run the same command again in a minute. Nothing was changed."
)
WATCH_SECONDS = 0.5
MOST_FILES = 4096


def run_process(start: psutil.Process) -> psutil.Process:
    """The outermost ansible-playbook process above START; START itself if there is none."""
    owner = start
    for process in start.parents():
        if any("ansible-playbook" in word for word in process.cmdline()):
            owner = process
    return owner


def myself(verb: str) -> dict[str, Any]:
    """This run as a holder, in the form that is written into the lock."""
    process = run_process(psutil.Process())
    return {
        "who": getpass.getuser(),
        "machine": socket.gethostname(),
        "pid": process.pid,
        "started": round(process.create_time(), 2),
        "verb": verb,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two holders are the same run."""
    return all(one.get(key) == other.get(key) for key in ("machine", "pid", "started"))


def dead(holder: dict[str, Any], machine: str) -> bool:
    """Whether the holder is a run on this machine whose process has ended (or whose id was reused)."""
    if holder.get("machine") != machine:
        return False
    try:
        return bool(abs(psutil.Process(holder["pid"]).create_time() - holder["started"]) > 1)
    except psutil.NoSuchProcess:
        return True


def describe(holder: dict[str, Any]) -> str:
    """Describe a holder."""
    return "'{verb}' of {who} on {machine} (process {pid}, since {since})".format(
        **{key: holder.get(key, "?") for key in ("verb", "who", "machine", "pid", "since")}
    )


def refusal(holder: dict[str, Any], machine: str) -> str:
    """Explain why the lock is refused, and what to do."""
    first = f"Another run is working on this deployment: {describe(holder)}."
    if holder.get("machine") == machine:
        return f"{first} Wait for it to end, or stop it. Nothing was changed."
    return (
        f"{first} Wait for it to end. When you have made sure on that machine that it no longer "
        "runs, repeat your command with -e break_lock=true. Nothing was changed."
    )


class UnreadableError(Exception):
    """AWS refused the lock, or did not answer."""


class Lock:
    """The parameter that is the lock."""

    def __init__(self, ssm: Any, name: str) -> None:
        self.ssm = ssm
        self.name = name

    @classmethod
    def connect(cls, name: str, region: str | None = None, endpoint_url: str | None = None) -> Lock:
        """Connect to the lock of this name; defaults come from this process's AWS settings."""
        return cls(clients(region=region, endpoint_url=endpoint_url)("ssm"), name)

    def holder(self) -> dict[str, Any] | None:
        """The current holder of the lock."""
        try:
            return dict(json.loads(self.ssm.get_parameter(Name=self.name)["Parameter"]["Value"]))
        except self.ssm.exceptions.ParameterNotFound:
            return None
        except (BotoCoreError, ClientError) as error:
            raise UnreadableError(str(error)) from error

    def create(self, holder: dict[str, Any]) -> bool:
        """Take a free lock; false when another run was first."""
        try:
            self.ssm.put_parameter(Name=self.name, Value=json.dumps(holder), Type="String", Overwrite=False)
        except (self.ssm.exceptions.ParameterAlreadyExists, self.ssm.exceptions.TooManyUpdates):
            return False
        except (BotoCoreError, ClientError) as error:
            raise UnreadableError(str(error)) from error
        return True

    def remove(self) -> None:
        """Free the lock."""
        try:
            self.ssm.delete_parameter(Name=self.name)
        except self.ssm.exceptions.ParameterNotFound:
            return
        except (BotoCoreError, ClientError) as error:
            raise UnreadableError(str(error)) from error


def may_take(holder: dict[str, Any], me: dict[str, Any], take_from_other: bool) -> bool:
    """Whether the lock may be taken from its holder: a dead one, or on request one on another machine."""
    return dead(holder, me["machine"]) or (take_from_other and holder.get("machine") != me["machine"])


def take(lock: Lock, me: dict[str, Any], take_from_other: bool) -> dict[str, Any]:
    """Take the lock, or return the reason why not.

    If a lock can be neither created nor found, AWS still blocks its name after a deletion, or it is so new
    that it is not visible yet. Both pass, so this tries again; only a lock whose holder was read is ever
    removed.
    """
    taken: dict[str, Any] = {}
    until = time.monotonic() + BUSY_SECONDS
    while True:
        if lock.create(me):
            if not taken:
                return {"held": True}
            # Two runs may have found the same dead holder. After this pause, the later one has
            # removed the earlier one's lock, and the check below sees that.
            time.sleep(SETTLE_SECONDS)
        holder = lock.holder()
        if holder and same(holder, me):
            return {"held": True} | taken
        if holder and not (
            may_take(holder, me, take_from_other) and taken.get("taken_from", holder) == holder
        ):
            return {"held": False, "refusal": refusal(holder, me["machine"])}
        if time.monotonic() > until:
            return {"held": False, "refusal": BUSY}
        if holder and not taken:
            lock.remove()
            taken = {"taken_from": holder}
        else:
            time.sleep(PAUSE_SECONDS)


def gone(holder: dict[str, Any]) -> bool:
    """Whether the holder's process has ended. A zombie counts as ended."""
    if dead(holder, holder["machine"]):
        return True
    try:
        return bool(psutil.Process(holder["pid"]).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def free_at_the_end(lock: Lock, me: dict[str, Any]) -> None:
    """Wait until the run has ended, then free its lock, unless it did so itself or another run holds it."""
    while not gone(me):
        time.sleep(WATCH_SECONDS)
    holder = lock.holder()
    if holder and same(holder, me):
        lock.remove()


def watch(lock: Lock, me: dict[str, Any]) -> None:
    """Leave a process behind that frees the lock when the run has ended.

    It has a session of its own, so that Ctrl-C and a closed terminal do not reach it, and none of
    the run's files open, so that nothing waits for it.
    """
    if child := os.fork():
        # This child ends as soon as its own child is detached.
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.closerange(3, MOST_FILES)
        os.chdir("/")
        free_at_the_end(Lock.connect(lock.name), me)
        status = 0
    finally:
        os._exit(status)
