"""What the Docker Engine of this host says about containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

LABEL = "com.docker.compose"
Run = Callable[[list[str]], tuple[int, str, str]]


class ContainerError(Exception):
    """The engine or a container is not as needed; the text says what to do."""


def inspect(run: Run, *names: str) -> list[dict[str, Any]]:
    """`docker inspect` of containers that must exist."""
    code, out, err = run(["docker", "container", "inspect", *names])
    if code != 0:
        raise ContainerError(f"docker container inspect {' '.join(names)} ended with {code}: {err.strip()}")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def serving(run: Run, project: str, service: str) -> dict[str, Any]:
    """The running container of a compose service; the newest when two overlap."""
    labels = {"project": project, "service": service}
    filters = [part for key, value in labels.items() for part in ("--filter", f"label={LABEL}.{key}={value}")]
    code, out, err = run(["docker", "ps", "--quiet", *filters])
    if code != 0:
        raise ContainerError(
            f"docker ps ended with {code}: {err.strip()}. `systemctl status docker` on the host."
        )
    if not out.split():
        raise ContainerError(
            f"service {service} of project {project} does not run. "
            f"`docker compose -p {project} logs --tail 50 {service}` on the host says why."
        )
    return inspect(run, out.split()[0])[0]


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
        raise ContainerError(
            f"container {name} has no address (state: {state}). `docker logs {name}` on the host says why."
        )
    return next(iter(addresses.values()))
