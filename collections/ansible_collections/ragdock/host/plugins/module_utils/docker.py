"""The Docker Engine and compose of this host, as `docker` commands with readable failures."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABEL = "com.docker.compose"
HASH_LABEL = f"{LABEL}.config-hash"
LOG_LINES = 200
# Runs a command, as AnsibleModule does: its exit code, output and error output.
Run = Callable[[list[str]], tuple[int, str, str]]


class EngineError(Exception):
    """A docker command or a container failed. The text says what to do, `service` names the log to read."""

    def __init__(self, message: str, service: str = "") -> None:
        super().__init__(message)
        self.service = service


@dataclass(frozen=True)
class Container:
    """One container of the stack."""

    id: str
    name: str
    service: str
    spec: str
    state: str
    health: str
    exit_code: int
    oom: bool
    restarts: int
    image: str
    created: str

    @property
    def well(self) -> bool:
        """Whether it runs and is healthy (or has no healthcheck)."""
        return self.state == "running" and self.health in ("healthy", "none")

    def hopeless(self, restarts_before: int) -> bool:
        """Whether waiting will not help: it ended, is unhealthy or keeps restarting."""
        return (
            self.state in ("exited", "dead")
            or self.health == "unhealthy"
            or self.restarts > restarts_before + 1
        )

    def summary(self) -> str:
        """Its state in words."""
        if self.oom:
            return f"{self.name} was killed for using more memory than its limit (ragdock_memory_limits)"
        if self.state in ("exited", "dead", "restarting"):
            return f"{self.name} ended with exit code {self.exit_code} ({self.restarts} restarts)"
        if self.restarts and not self.well:
            return f"{self.name} ended and was started again {self.restarts} times, health: {self.health}"
        return f"{self.name} is {self.state}, health: {self.health}"


def parse_container(found: Mapping[str, Any]) -> Container:
    """A container from the output of `docker inspect`."""
    labels = found["Config"].get("Labels") or {}
    state = found["State"]
    return Container(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        service=labels.get(f"{LABEL}.service", ""),
        spec=labels.get(HASH_LABEL, ""),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "none"),
        exit_code=state.get("ExitCode", 0),
        oom=bool(state.get("OOMKilled")),
        restarts=found.get("RestartCount", 0),
        image=found["Config"]["Image"],
        created=found["Created"],
    )


def last_lines(text: str, count: int = 12) -> str:
    """The end of an output, for a message."""
    return "\n".join(line for line in text.strip().splitlines()[-count:] if line.strip())


def docker(run: Run, *words: str) -> str:
    """Run a docker command and return its output; raise if it fails."""
    code, out, err = run(["docker", *words])
    if code:
        raise EngineError(failed(words, code, err or out))
    return out


def failed(words: Sequence[str], code: int, text: str) -> str:
    """Describe a failed docker command."""
    return f"`docker {' '.join(words[:6])}` ended with {code}: {last_lines(text)}"


def inspect(run: Run, *names: str) -> list[dict[str, Any]]:
    """`docker inspect` of containers that must exist."""
    return list(json.loads(docker(run, "container", "inspect", *names)))


def serving(run: Run, project: str, service: str) -> dict[str, Any]:
    """The running container of a compose service; the newest when two overlap."""
    labels = {"project": project, "service": service}
    filters = [part for key, value in labels.items() for part in ("--filter", f"label={LABEL}.{key}={value}")]
    ids = docker(run, "ps", "--quiet", *filters).split()
    if not ids:
        raise EngineError(
            f"service {service} of project {project} does not run. "
            f"`docker compose -p {project} logs --tail 50 {service}` on the host shows why.",
            service,
        )
    return inspect(run, ids[0])[0]


def networks(container: dict[str, Any]) -> dict[str, str]:
    """Network name -> address of a container, for the networks where it has one."""
    found = container.get("NetworkSettings", {}).get("Networks") or {}
    return {name: at["IPAddress"] for name, at in found.items() if at.get("IPAddress")}


def address(container: dict[str, Any]) -> str:
    """An address at which the host reaches a running container."""
    addresses = networks(container)
    if not addresses:
        name = container["Name"].lstrip("/")
        state = container.get("State", {}).get("Status", "unknown")
        raise EngineError(
            f"container {name} has no address (state: {state}). `docker logs {name}` on the host shows why."
        )
    return next(iter(addresses.values()))


def specs_of(answer: str) -> dict[str, str]:
    """Service -> hash of its configuration, from the output of `compose config --hash`."""
    return dict(line.split() for line in answer.splitlines() if line.strip())


class Engine:
    """Runs docker; every call has a time limit."""

    def __init__(self, project: str = "ragdock", environment: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.environment = dict(environment) if environment is not None else None

    def run(self, *args: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a docker command."""
        try:
            done = subprocess.run(
                ["docker", *args],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                env=self.environment,
            )
        except FileNotFoundError as error:
            raise EngineError(
                "There is no `docker` on this machine. "
                "playbooks/configure.yml installs it on the host, `make deps` on yours."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"`docker {' '.join(args[:3])}` gave no answer in {timeout:.0f} s. "
                "Is the engine well? On the host: systemctl status docker"
            ) from error
        if check and done.returncode != 0:
            raise EngineError(failed(args, done.returncode, done.stderr or done.stdout))
        return done

    def throwaway(
        self, purpose: str, image: str, words: Sequence[str], options: Sequence[str] = (), *, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of an image to completion, in a container without network and capabilities."""
        program, *arguments = words
        return self.run(
            "run", "--rm", "--pull=never", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
            "--security-opt=no-new-privileges:true", "--memory=256m", f"--label=ragdock.throwaway={purpose}",
            *options, f"--entrypoint={program}", image, *arguments,
            timeout=timeout, check=False,
        )  # fmt: skip

    def answer(self, words: list[str], timeout: float = 60) -> tuple[int, str, str]:
        """Return exit code, output and error output; a command that cannot start or end fails with a text."""
        try:
            done = self.run(*words, timeout=timeout, check=False)
        except EngineError as error:
            return 1, "", str(error)
        return done.returncode, done.stdout, done.stderr

    def compose(
        self, release: Path, *args: str, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a compose command on a release's own file."""
        return self.run(
            "compose", "--project-name", self.project, "--project-directory", str(release),
            "--progress", "plain", *args,
            timeout=timeout, check=check,
        )  # fmt: skip

    def specs(self, release: Path) -> dict[str, str]:
        """Service -> hash of its configuration, as compose labels containers."""
        return specs_of(self.compose(release, "config", "--hash", "*").stdout)

    def containers(self) -> list[Container]:
        """Every container of the stack in any state, newest first."""
        ids = self.run(
            "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}.project={self.project}",
            "--filter", "label=com.docker.compose.oneoff=False",
        ).stdout.split()  # fmt: skip
        if not ids:
            return []
        # A container may disappear between the two calls; the others are still listed.
        found = json.loads(self.run("container", "inspect", *ids, check=False).stdout or "[]")
        return sorted((parse_container(one) for one in found), key=lambda one: one.created, reverse=True)

    def missing_images(self, refs: Sequence[str]) -> list[str]:
        """The references whose images this engine does not have."""
        have = self.run("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}").stdout.split()
        return [ref for ref in dict.fromkeys(refs) if ref not in have]

    def wait(self, container_id: str, seconds: float) -> Container:
        """Wait until a container is healthy; raise as soon as waiting cannot help."""
        until = time.monotonic() + seconds
        before: int | None = None
        while True:
            found = json.loads(self.run("container", "inspect", container_id, check=False).stdout or "[]")
            if not found:
                raise EngineError(f"Container {container_id[:12]} went away while it was waited for.")
            one = parse_container(found[0])
            if one.well:
                return one
            before = one.restarts if before is None else before
            if one.hopeless(before) or time.monotonic() > until:
                output = last_lines(self.log(container_id), 6)
                raise EngineError(f"{one.summary()}. The end of its log:\n{output}", one.service)
            time.sleep(0.5)

    def log(self, container: str) -> str:
        """The end of a container's log."""
        done = self.run("logs", "--tail", str(LOG_LINES), "--timestamps", container, check=False)
        # Merge the container's two streams by their time stamps.
        return "\n".join(sorted((done.stdout + done.stderr).splitlines())) + "\n"
