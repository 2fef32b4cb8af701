"""The host under the stack, for faults that cannot be made through the endpoint."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Any

from sandbox import settings
from sandbox.cloud import AwsApi

PROJECT = "ragdock"
LABEL = "com.docker.compose"


class Host:
    """Runs commands on the host as root.

    RAGDOCK_HOST_COMMAND is the prefix of these commands, for instance
    `ssh admin@host sudo`; without it the sandbox's host container is used.
    """

    def __init__(self, name: str) -> None:
        given = os.environ.get("RAGDOCK_HOST_COMMAND")
        self._prefix = shlex.split(given) if given else ["docker", "exec", "-i", self.container(name)]

    @staticmethod
    def container(name: str) -> str:
        """Return the name of the sandbox container that runs this host."""
        instances = [
            one
            for one in AwsApi(settings.load()).observe().live
            if one.tags.get("ragdock:name") == name and "ragdock:host" not in one.tags
        ]
        assert len(instances) == 1, (
            f"{len(instances)} instances are named {name}. Run `make up`, or set RAGDOCK_HOST_COMMAND."
        )
        words = ["--format", "{{.Names}}", "--filter", f"label=ragdock.sandbox.instance={instances[0].id}"]
        listed = subprocess.run(["docker", "ps", *words], capture_output=True, text=True, check=True)
        assert listed.stdout.split(), f"the container of instance {instances[0].id} does not run"
        return listed.stdout.split()[0]

    def run(self, *words: str, check: bool = True, seconds: float = 120, given: str | None = None) -> str:
        """Run a command and return its standard output."""
        done = subprocess.run(
            [*self._prefix, *words],
            capture_output=True,
            text=True,
            # A log may hold arbitrary bytes that someone sent.
            errors="replace",
            check=False,
            timeout=seconds,
            input=given,
        )
        assert not check or done.returncode == 0, (
            f"{words} ended with {done.returncode}: {done.stderr.strip()}"
        )
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that runs until its input ends."""
        return subprocess.Popen(
            [*self._prefix, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def shell(self, script: str, seconds: float = 120) -> str:
        """Run a shell script and return its standard output."""
        return self.run("sh", "-eu", "-s", given=script, seconds=seconds)

    def ids(self, service: str = "", *, running: bool = True) -> list[str]:
        """Return the container ids of the stack, or of one service."""
        filters = [f"label={LABEL}.project={PROJECT}"]
        filters += [f"label={LABEL}.service={service}"] if service else []
        words = [word for one in filters for word in ("--filter", one)]
        return self.run("docker", "ps", "--quiet", *([] if running else ["--all"]), *words).split()

    def inspect(self, service: str = "") -> list[dict[str, Any]]:
        """Return what `docker inspect` prints about these containers."""
        ids = self.ids(service)
        found: list[dict[str, Any]] = json.loads(self.run("docker", "inspect", *ids)) if ids else []
        return found

    def started(self) -> dict[str, str]:
        """Map each container's name to the time when it was started."""
        return {one["Name"]: one["State"]["StartedAt"] for one in self.inspect()}

    def crash(self, service: str) -> None:
        """Kill a service's process; unlike after `docker kill`, the engine treats this as a crash."""
        for one in self.inspect(service):
            self.run("kill", "-KILL", str(one["State"]["Pid"]))

    def wait(self, what: str, good: Callable[[], bool], seconds: float = 240) -> None:
        """Wait until a condition holds; on timeout, fail with the log of the stack."""
        end = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s\n{self.logs()}"
            time.sleep(1)

    def healthy(self, service: str) -> bool:
        """Return whether a service has a healthy container."""
        return any(
            (one["State"].get("Health") or {}).get("Status") == "healthy" for one in self.inspect(service)
        )

    def logs(self, lines: int = 30) -> str:
        """Return the end of every container's log."""
        return self.run("docker", "compose", "-p", PROJECT, "logs", "--tail", str(lines), check=False)

    def current(self) -> str:
        """Return the id of the current release."""
        return self.run("readlink", "/opt/ragdock/current").strip().rsplit("/", 1)[-1]
