"""up, down and wipe."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound

from sandbox import (
    daemon,
    docker_api,
    domain,
    egress,
    images,
    ingress,
    listeners,
    models,
    networks,
    parts,
    remote,
    trust,
)
from sandbox.docker_api import PART
from sandbox.ebs import Store
from sandbox.errors import SandboxError
from sandbox.hosts import STOP_SECONDS
from sandbox.progress import Progress
from sandbox.settings import LABEL, Sandbox

IMAGES = "images"
CGROUPS = Path("/sys/fs/cgroup")
UNMOUNT_SECONDS = 20


def need_root() -> None:
    """Loop devices, /etc/hosts and Docker's certificates are root's."""
    if os.geteuid() != 0:
        raise SandboxError(
            "The sandbox needs root, and this user is not.",
            "It makes block devices and networks and adds lines to /etc/hosts.",
            "Run the same command with sudo.",
        )


def provide(progress: Progress) -> None:
    """Pull or build the images, and fetch the models; what exists already stays as it is."""
    with progress.stage("Images") as say:
        images.ensure_all(say)
    with progress.stage("Models") as say:
        models.ensure(say)


def up(sandbox: Sandbox, progress: Progress) -> None:
    """Bring everything to the state in which a deployment can start, from any state."""
    need_root()
    client = docker_api.connect()
    with progress.stage("Ports and other sandboxes"):
        _check_ports(sandbox)
        _refuse_another(client, sandbox)
    provide(progress)
    with progress.stage("Network 10.99.0.0/24"):
        networks.ensure_aws(client, sandbox)
    with progress.stage(f"AWS APIs at {sandbox.endpoint}") as say:
        if said := parts.up_aws(client, sandbox):
            say(said)
    with progress.stage("Registry"):
        parts.up_registry(client, sandbox)
    with progress.stage("Router and instance metadata"):
        (sandbox.state / "metadata").mkdir(parents=True, exist_ok=True, mode=0o700)
        docker_api.ensure_container(client, sandbox, networks.router(sandbox))
    if docker_api.find(client, domain.NAME):
        with progress.stage("Certificate authority") as say:
            domain.up(client, sandbox, say)
    if docker_api.find(client, remote.NAME):
        with progress.stage("Models elsewhere"):
            remote.up(client, sandbox)
    with progress.stage("Host loop"):
        daemon.start(sandbox)


def _check_ports(sandbox: Sandbox) -> None:
    """Elastic IPs are addresses of this machine: a program that listens on all of them conflicts."""
    for port in ingress.PORTS:
        if listeners.listens_everywhere(port):
            raise SandboxError(
                f"Port {port} of this machine is taken by {listeners.owner(port)}, on all addresses.",
                "The deployment's own address is one of this machine's, and needs that port.",
                "Stop that program (or let it listen on one address only), then run: make up",
            )


def _refuse_another(client: Any, sandbox: Sandbox) -> None:
    """The AWS network has one range, so a machine has room for one sandbox."""
    for network in client.networks.list(names=["^ragdock-aws$"]):
        owner = network.attrs["Labels"].get(LABEL)
        if owner not in (None, sandbox.name):
            raise SandboxError(
                f"A sandbox named {owner} already exists on this machine.",
                f"This checkout's is named {sandbox.name}, and both need {sandbox.network}.",
                "Remove the other one from its own checkout: make wipe",
            )
    if owner := networks.owner_of(docker_api.find(client, networks.ROUTER), sandbox):
        raise SandboxError(
            f"The sandbox on this machine is that of another checkout: {owner}.",
            "With this one's keys and certificates, its deployments would be out of reach.",
            f"Continue there, or remove it: make -C {owner} wipe",
        )


def down(sandbox: Sandbox, progress: Progress) -> None:
    """Stop everything; nothing is lost."""
    need_root()
    client = docker_api.connect()
    with progress.stage("Host loop ends"):
        daemon.stop(sandbox)
    for part in ("host", "router", "registry", "aws", "acme", "elsewhere"):
        for container in _containers(client, sandbox, part):
            if container.status == "running":
                with progress.stage(f"{container.name} stops"):
                    docker_api.stop(container, STOP_SECONDS if part == "host" else 20)
    Store(sandbox.state / "ebs").release_all()
    progress.console.print(
        "The sandbox is stopped. Nothing is lost: hosts, volumes, images and what the AWS APIs\n"
        "know are kept, and `make up` restores them. `make wipe` removes them.",
        markup=False,
    )


def wipe(sandbox: Sandbox, progress: Progress) -> list[str]:
    """Remove every trace of the sandbox; returns what was removed."""
    need_root()
    client = docker_api.connect()
    removed: list[str] = []
    with progress.stage("Host loop ends"):
        if daemon.stop(sandbox):
            removed.append("host loop")
    with progress.stage("Containers"):
        for container in _containers(client, sandbox):
            removed.append(f"container {container.name}")
            docker_api.remove(container)
    with progress.stage("Networks and volumes"):
        list(egress.follow(frozenset()))
        for network in networks.ours(client, sandbox):
            networks.remove(network)
            removed.append(f"network {network.name}")
        for volume in client.volumes.list(filters=_filter(sandbox)):
            volume.remove(force=True)
            removed.append(f"volume {volume.name}")
    with progress.stage("Loop devices"):
        store = Store(sandbox.state / "ebs")
        removed += store.release_all()
        store.wait_until_released(UNMOUNT_SECONDS)
    with progress.stage("Images"):
        removed += _remove_images(client, sandbox)
    with progress.stage("Files"):
        removed += trust.withdraw(sandbox)
        for folder in (sandbox.state, sandbox.operator):
            if folder.exists():
                shutil.rmtree(folder)
                removed.append(str(folder.relative_to(sandbox.checkout)))
        removed += [f"cgroup {path}" for path in leftover_cgroups() if _remove_cgroup(path)]
    return removed


def traces(sandbox: Sandbox) -> list[str]:
    """What a wipe would remove."""
    client = docker_api.connect()
    found = ["host loop"] if daemon.process(sandbox) else []
    found += [f"container {c.name}" for c in _containers(client, sandbox)]
    found += [f"network {n.name}" for n in networks.ours(client, sandbox)]
    found += [f"volume {v.name}" for v in client.volumes.list(filters=_filter(sandbox))]
    found += [f"image {', '.join(i.tags) or i.short_id}" for i in _images(client, sandbox)]
    found += [f"loop device {name}" for name in Store(sandbox.state / "ebs").held()]
    found += trust.traces(sandbox)
    found += [
        str(folder.relative_to(sandbox.checkout))
        for folder in (sandbox.state, sandbox.operator)
        if folder.exists()
    ]
    return found


def problems(sandbox: Sandbox) -> dict[str, str]:
    """The current problems of the host loop."""
    path = sandbox.state / "problems.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _filter(sandbox: Sandbox) -> dict[str, str]:
    return {"label": f"{LABEL}={sandbox.name}"}


def _containers(client: Any, sandbox: Sandbox, part: str = "") -> list[Any]:
    labels = [f"{LABEL}={sandbox.name}", *([f"{PART}={part}"] if part else [])]
    return list(client.containers.list(all=True, filters={"label": labels}))


def _images(client: Any, sandbox: Sandbox) -> list[Any]:
    """The images made for sandboxes of this machine, and those of what was deployed in this one.

    An image that Docker Hub gave is not among them: it may have been here before.
    """
    built = client.images.list(filters={"label": f"{LABEL}={IMAGES}"})
    deployed = client.images.list(filters={"reference": f"{sandbox.registry}/*/*/*"})
    return [*deployed, *(image for image in built if image not in deployed)]


def _remove_images(client: Any, sandbox: Sandbox) -> list[str]:
    """Images go in any order: one that others build on goes when they are gone."""
    removed: list[str] = []
    while found := _images(client, sandbox):
        before = len(removed)
        for image in found:
            name = ", ".join(image.tags) or image.short_id
            try:
                client.images.remove(image.id, force=True)
            except ImageNotFound:
                continue
            except APIError:
                # Others still use it; the next round checks again.
                continue
            removed.append(f"image {name}")
        if len(removed) == before:
            break
    return removed


def leftover_cgroups() -> list[Path]:
    """Control groups that a host's engine made beside its own container's."""
    return sorted(path for path in (*CGROUPS.glob("ragdock*"), *CGROUPS.glob("*/ragdock*")) if path.is_dir())


def _remove_cgroup(top: Path) -> bool:
    """Remove a control group's folders, innermost first; False when it is in use."""
    for path in sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True):
        try:
            path.rmdir()
        except OSError:
            return False
    try:
        top.rmdir()
    except OSError:
        return False
    return True
