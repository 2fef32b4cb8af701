"""Manages Docker containers and networks so that they match their specification."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool, NetworkingConfig
from pydantic import BaseModel, ConfigDict

from sandbox.errors import SandboxError
from sandbox.freezer import thaw
from sandbox.settings import LABEL, Sandbox

CONFIG = f"{LABEL}.config"
PART = f"{LABEL}.part"
INSTANCE = f"{LABEL}.instance"
SUBNET = f"{LABEL}.subnet"
# Hosts reach the AWS network through the router. Docker 28 and later drop packets that reach a container from
# another bridge, also where the kernel passes bridged frames to iptables; older versions ignore this option.
ROUTED = {"com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected"}


class Container(BaseModel):
    """The specification of a container."""

    model_config = ConfigDict(frozen=True)

    name: str
    image: str
    network: str
    address: str
    part: str
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}
    # Changes that Docker cannot see, such as the code in a mounted directory.
    salt: str = ""

    def digest(self, image_id: str) -> str:
        """Return a digest of specification and image; containers with the same digest are identical."""
        text = json.dumps([self.model_dump(mode="json"), image_id], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def connect() -> Any:
    """Return a client of the Docker Engine; raise SandboxError if the engine does not answer."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        raise SandboxError(
            f"The Docker Engine does not answer: {error}.",
            "The sandbox's network, registry and hosts are containers.",
            "Run: sandbox/bootstrap.sh",
        ) from error
    return client


def image_id(client: Any, reference: str) -> str:
    """Return the id of an image that must exist locally."""
    try:
        return str(client.images.get(reference).id)
    except ImageNotFound as error:
        raise SandboxError(
            f"The image {reference} is not here.",
            "The sandbox makes its images before it starts anything.",
            "Run: make up",
        ) from error


def find(client: Any, name: str) -> Any | None:
    """Return the container with that name, running or not."""
    try:
        return client.containers.get(name)
    except NotFound:
        return None


def ensure_network(
    client: Any, sandbox: Sandbox, name: str, cidr: str, gateway: str, labels: Mapping[str, str] | None = None
) -> Any:
    """Return a bridge network with that name and range; replace an outdated one of this sandbox."""
    for network in client.networks.list(names=[f"^{name}$"]):
        network.reload()
        pools = network.attrs["IPAM"]["Config"] or []
        if any(pool.get("Subnet") == cidr for pool in pools):
            return network
        if network.attrs["Labels"].get(LABEL) != sandbox.name:
            raise SandboxError(
                f"A Docker network {name} exists, with another range than {cidr}.",
                "It is not one of this sandbox's.",
                f"Remove it: docker network rm {name}",
            )
        remove_network(network)
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=cidr, gateway=gateway)])
    try:
        return client.networks.create(
            name,
            driver="bridge",
            ipam=ipam,
            options=ROUTED,
            labels={**sandbox.labels, **(labels or {})},
        )
    except APIError as error:
        raise SandboxError(
            f"Docker cannot create the network {name} with the range {cidr}: {error.explanation}.",
            f"Another network here probably overlaps it: {_overlaps(client, cidr)}.",
            "Remove that network (docker network rm NAME), or choose another range "
            "(ragdock_vpc_cidr, ragdock_subnet_cidr).",
        ) from error


def _overlaps(client: Any, cidr: str) -> str:
    from ipaddress import ip_network

    requested = ip_network(cidr)
    found = [
        f"{network.name} ({pool['Subnet']})"
        for network in client.networks.list()
        for pool in network.attrs["IPAM"]["Config"] or []
        if ":" not in pool.get("Subnet", ":") and requested.overlaps(ip_network(pool["Subnet"]))
    ]
    return ", ".join(found) or "none of Docker's own"


def remove_network(network: Any) -> None:
    """Disconnect all containers from a network and remove it."""
    network.reload()
    for container_id in network.attrs.get("Containers") or {}:
        network.disconnect(container_id, force=True)
    network.remove()


def create(client: Any, sandbox: Sandbox, spec: Container) -> Any:
    """Create (not start) a container."""
    config = {
        CONFIG: spec.digest(image_id(client, spec.image)),
        PART: spec.part,
        **sandbox.labels,
        **spec.labels,
    }
    options = dict(spec.options)
    # The high-level API cannot set an address on a network, so use the low-level one.
    settings = dict(options.pop("host", {}))
    unmask = settings.pop("unmask", False)
    host = client.api.create_host_config(**settings, network_mode=spec.network)
    if unmask:
        # The SDK has no option for the command line's systempaths=unconfined.
        host |= {"MaskedPaths": [], "ReadonlyPaths": []}
    endpoint = EndpointConfig(client.api._version, ipv4_address=spec.address)
    words = {
        "command": list(spec.command) or None,
        "name": spec.name,
        "labels": config,
        "networking_config": NetworkingConfig({spec.network: endpoint}),
        **options,
    }
    try:
        made = client.api.create_container(spec.image, host_config=host, **words)
    except APIError as error:
        if not drops_what_is_not_there(error):
            raise
        made = client.api.create_container(spec.image, host_config=host | {"CapDrop": []}, **words)
    return client.containers.get(made["Id"])


def drops_what_is_not_there(error: APIError) -> bool:
    """Return whether the engine refused a container because it lacks a dropped capability itself.

    Older engines add and drop capabilities without checking; newer ones (such as Ubuntu 24.04's) refuse to
    add or drop a capability that they do not have themselves.
    """
    return error.status_code == HTTPStatus.BAD_REQUEST and "invalid CapDrop" in str(error.explanation)


def ensure_container(
    client: Any, sandbox: Sandbox, spec: Container, prepare: Callable[[Any], None] | None = None
) -> bool:
    """Make sure that a matching container runs; return True if it was created, replaced or started."""
    found = find(client, spec.name)
    digest = spec.digest(image_id(client, spec.image))
    if found is not None and found.labels.get(CONFIG) is None:
        raise SandboxError(
            f"A container named {spec.name} exists that no sandbox made.",
            "The sandbox needs that name.",
            f"Rename or remove it: docker rm -f {spec.name}",
        )
    if found is not None and (
        found.labels.get(CONFIG) != digest or _hangs_on_a_lost_network(client, found, spec)
    ):
        remove(found)
        found = None
    if found is None:
        found = create(client, sandbox, spec)
        if prepare is not None:
            prepare(found)
    if found.status == "running":
        return False
    if found.status == "paused":
        found.unpause()
    else:
        start(found)
    return True


def _hangs_on_a_lost_network(client: Any, container: Any, spec: Container) -> bool:
    """Return whether its network was replaced by another of the same name, so that it cannot start."""
    known = (container.attrs["NetworkSettings"]["Networks"].get(spec.network) or {}).get("NetworkID")
    return bool(known) and known not in {one.id for one in client.networks.list(names=[f"^{spec.network}$"])}


def start(container: Any) -> None:
    """Start a container; raise SandboxError with the reason if it does not start."""
    try:
        container.start()
    except APIError as error:
        raise SandboxError(
            f"The container {container.name} does not start: {error.explanation}.",
            "An address or port it needs may be taken.",
            "Run: python -m sandbox wipe, then make up",
        ) from error


def stop(container: Any, seconds: int) -> None:
    """Stop a container, or kill it after `seconds`; first resume the processes paused in it."""
    _wake(container)
    container.stop(timeout=seconds)


def remove(container: Any) -> None:
    """Kill and remove a container with its anonymous volumes, whatever its state."""
    _wake(container)
    container.remove(force=True, v=True)


def _wake(container: Any) -> None:
    container.reload()
    if first := container.attrs["State"]["Pid"]:
        thaw(first)


def wait_for(what: str, ready: Callable[[], bool], container: Any | None, seconds: float) -> None:
    """Wait until something answers; if its container died meanwhile, show the end of the log."""
    limit = time.monotonic() + seconds
    while not ready():
        if container is not None:
            container.reload()
            dead = container.status == "exited"
        else:
            dead = False
        if dead or time.monotonic() > limit:
            tail = container.logs(tail=15).decode(errors="replace") if container else ""
            raise SandboxError(
                f"{what} does not answer after {seconds:.0f} s." if not dead else f"{what} ended.",
                f"Its last words:\n{tail}" if tail else "It wrote nothing.",
                "Run: python -m sandbox logs, then make up again",
            )
        time.sleep(0.2)
