"""The result of a check, and the deployment that checks read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    LABEL,
    EngineError,
    Run,
    docker,
    inspect,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import UnreachableError

SERVICES = ("edge", "landing", "rag-app", "rag-worker", "opensearch", "models", "ollama")
# Exists only with a model that runs elsewhere.
REMOTE = "remote"


def run(args: list[str]) -> tuple[int, str, str]:
    """Return the exit code, output and error output. Unlike AnsibleModule's, this is safe beside threads."""
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class CheckError(Exception):
    """Something could not be read. The text says what."""


@dataclass(frozen=True)
class Row:
    """One check: passed or not, the figure it found, and what to do when it failed."""

    area: str
    check: str
    passed: bool
    figure: str
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As a dictionary, for Ansible."""
        return asdict(self)


@dataclass
class Deployment:
    """The deployment on this host, read once."""

    root: Path
    name: str  # of the public endpoint
    project: str
    run: Run = run
    timeout: float = 10.0
    outside: str = ""  # a URL that the host reaches and no container but the edge may
    containers: list[dict[str, Any]] = field(default_factory=list)
    release: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> Path:
        """Directory of the release that serves."""
        return self.root / "current"

    def read(self) -> Deployment:
        """Ask the engine and read the release; what is missing stays empty and its checks will fail."""
        ids = docker(
            self.run, "ps", "--all", "--quiet", "--filter", f"label={LABEL}.project={self.project}"
        ).split()
        self.containers = inspect(self.run, *ids) if ids else []
        record = self.current / "release.json"
        if record.is_file():
            self.release = json.loads(record.read_text(encoding="utf-8"))
        settings = self.current / ".env"
        if settings.is_file():
            self.env = dict(parse_env(settings.read_text(encoding="utf-8")))
        return self

    @property
    def remote_models(self) -> list[dict[str, Any]]:
        """The models that run elsewhere, as the services know them."""
        return list(json.loads(self.env.get("REMOTE_MODELS") or "[]"))

    @property
    def services(self) -> tuple[str, ...]:
        """The services that this release has."""
        return (*SERVICES, REMOTE) if self.remote_models else SERVICES

    def of(self, service: str) -> dict[str, Any]:
        """The running container of a service."""
        for one in self.containers:
            if service_of(one) == service and one["State"]["Status"] == "running":
                return one
        raise CheckError(f"service {service} does not run")

    def secret(self, service: str, name: str) -> str:
        """A secret as a service reads it."""
        for mount in self.of(service)["Mounts"]:
            if mount["Destination"] == f"/run/secrets/{name}":
                return Path(mount["Source"]).read_text(encoding="utf-8").strip()
        raise CheckError(f"service {service} has no secret named {name}")


def service_of(container: dict[str, Any]) -> str:
    """Compose service of a container."""
    return str((container["Config"].get("Labels") or {}).get(f"{LABEL}.service", ""))


def name_of(container: dict[str, Any]) -> str:
    """Name of a container."""
    return str(container["Name"]).lstrip("/")


def parse_env(text: str) -> Iterator[tuple[str, str]]:
    """Name and value of each line of an env file."""
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            yield name.strip(), value.strip().strip("'\"")


def judged(area: str, check: str, offenders: Iterable[str], figure: str, hint: str) -> Row:
    """A check that passes when there are no offenders."""
    found = list(offenders)
    return Row(area, check, not found, "; ".join(found) if found else figure, hint if found else "")


Check = Callable[[Deployment], Iterator[Row]]


def rows_of(deployment: Deployment, checks: Iterable[tuple[str, Check]]) -> list[Row]:
    """Run every check, all at once: they only read, and most of their time is waiting.

    A check that cannot be completed fails and does not stop the others. The rows keep the checks' order.
    """

    def made(one: tuple[str, Check]) -> list[Row]:
        area, check = one
        rows: list[Row] = []
        try:
            rows.extend(check(deployment))
        except (CheckError, EngineError, UnreachableError, OSError, ValueError, KeyError) as error:
            name = check.__name__.replace("_", " ")
            reason = str(error) if not isinstance(error, KeyError) else f"no {error} in what was read"
            rows.append(Row(area, f"{name} can be checked", False, reason, "Fix the named problem first."))
        return rows

    names = list(checks)
    with ThreadPoolExecutor(max_workers=len(names) or 1) as threads:
        return [row for rows in threads.map(made, names) for row in rows]
