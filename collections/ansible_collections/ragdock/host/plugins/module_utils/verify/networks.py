"""Checks of what containers can reach, tried from inside each one's network and not read from settings.

The probes run in threads of this process that enter a container's network namespace, so that they need no
program of the image and work in all of them alike.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ragdock.host.plugins.module_utils.docker import networks
from ansible_collections.ragdock.host.plugins.module_utils.remote import PORT as REMOTE_PORT
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    REMOTE,
    CheckError,
    Deployment,
    Row,
    judged,
    name_of,
    service_of,
)

AREA = "networks"
METADATA = ("169.254.169.254", 80)
# A lost first packet is sent again after a second.
PROBE_SECONDS = 1.5
# An address on this host answers at once; a blocked one costs each `verify` this time, twice.
PROBE_HERE_SECONDS = 0.25
# A name that no one can own (RFC 6761): even a negative answer comes from outside.
OUTSIDE_NAME = "ragdock-verify.invalid"
ENGINE_DNS = ("127.0.0.11", 53)
ANSWERED = (0, 3)
CLONE_NEWNET = 0x40000000
WAY_OUT = "edge"
# Service -> its networks, as compose/compose.yaml.j2 has them.
NETWORKS = {
    "edge": {"edge", "app", "landing"},
    "landing": {"landing"},
    "rag-app": {"app", "data"},
    "rag-worker": {"data"},
    "opensearch": {"data"},
    "models": {"data", "ollama"},
    "ollama": {"ollama"},
}
PORTS = {"edge": 443, "landing": 3000, "rag-app": 7860, "opensearch": 9200, "models": 11434, "ollama": 11434}
# Which service connects to which.
NEEDS = {
    ("edge", "rag-app"),
    ("edge", "landing"),
    ("rag-app", "opensearch"),
    ("rag-app", "models"),
    ("rag-worker", "opensearch"),
    ("rag-worker", "models"),
    ("models", "ollama"),
}


@dataclass(frozen=True)
class Layout:
    """Which service is on which network, where it listens, and to which it connects."""

    networks: Mapping[str, set[str]]
    ports: Mapping[str, int]
    needs: frozenset[tuple[str, str]]
    # Services whose network of the same name leads out of the host.
    ways_out: tuple[str, ...]

    @property
    def alone(self) -> str:
        """Describe which services alone have a way out."""
        return "the edge" if len(self.ways_out) == 1 else "edge and remote"


LAYOUT = Layout(NETWORKS, PORTS, frozenset(NEEDS), (WAY_OUT,))
# The proxy of models that run elsewhere is there only with such a model.
LAYOUT_WITH_REMOTE = Layout(
    NETWORKS | {REMOTE: {"data", "remote"}},
    PORTS | {REMOTE: REMOTE_PORT},
    frozenset(NEEDS | {("rag-app", REMOTE), ("rag-worker", REMOTE)}),
    (WAY_OUT, REMOTE),
)


def layout(deployment: Deployment) -> Layout:
    """The layout of this release."""
    return LAYOUT_WITH_REMOTE if deployment.remote_models else LAYOUT


COMPOSE = "Correct `networks` in compose/compose.yaml.j2 and run playbooks/deploy.yml."
FIREWALL = "Run playbooks/configure.yml: it loads the firewall that keeps containers from 169.254.0.0/16."
Address = tuple[str, int]


def within(container: dict[str, Any], probe: Callable[[], list[str]]) -> list[str]:
    """What a probe returns in a container's network; a separate thread enters it and ends there."""
    found: list[str] = []

    def run() -> None:
        with Path(f"/proc/{container['State']['Pid']}/ns/net").open("rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                found.append(f"its network cannot be entered: {os.strerror(ctypes.get_errno())}")
                return
        found.extend(probe())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def connects(at: Address, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a connection is accepted there."""
    try:
        socket.create_connection(at, seconds).close()
    except OSError:
        return False
    return True


def connects_here(at: Address) -> bool:
    """Whether an address on this host accepts a connection; a second attempt covers a lost packet."""
    return connects(at, PROBE_HERE_SECONDS) or connects(at, PROBE_HERE_SECONDS)


def resolves(name: str, server: Address = ENGINE_DNS) -> bool:
    """Whether the engine's resolver has an answer from outside for a name."""
    labels = b"".join(struct.pack("B", len(part)) + part.encode() for part in name.split("."))
    query = struct.pack(">6H", 0x5244, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(PROBE_SECONDS)
        try:
            asked.sendto(query, server)
            reply = asked.recv(512)
        except OSError:
            return False
    return len(reply) > 3 and reply[3] & 0x0F in ANSWERED


def outside(url: str) -> tuple[str, Address]:
    """Host and address of the outside server that no container but the edge may reach."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    try:
        return host, (socket.gethostbyname(host), port)
    except OSError as error:
        raise CheckError(f"{host} (verify_outside) cannot be resolved on the host: {error}") from error


def running(deployment: Deployment) -> list[dict[str, Any]]:
    """The containers that have a network to enter."""
    return [one for one in deployment.containers if one["State"]["Status"] == "running"]


def each(
    deployment: Deployment, probe: Callable[[dict[str, Any]], Callable[[], list[str]]]
) -> dict[str, list[str]]:
    """Container -> what its probe found, all at once."""
    all_of = running(deployment)
    with ThreadPoolExecutor(max_workers=max(len(all_of), 1)) as threads:
        found = threads.map(lambda one: within(one, probe(one)), all_of)
        return dict(zip(map(name_of, all_of), found, strict=True))


def judged_each(check: str, found: dict[str, list[str]], figure: str, hint: str) -> Row:
    """A check that passes when no container found anything."""
    return judged(
        AREA, check, [f"{name}: {what}" for name, ends in found.items() for what in ends], figure, hint
    )


def as_written(deployment: Deployment) -> Iterator[Row]:
    """Each container is on its service's networks, and all but those that lead out are internal."""
    plan = layout(deployment)
    project, wrong = deployment.project, []
    for one in running(deployment):
        expected = sorted(f"{project}_{name}" for name in plan.networks.get(service_of(one), ()))
        if (on := sorted(networks(one))) != expected:
            wrong.append(f"{name_of(one)} is on {', '.join(on) or 'none'}")
    internal = sorted(set().union(*plan.networks.values()) - {*plan.ways_out})
    outward = [f"{project}_{name}" for name in plan.ways_out]
    names = [*(f"{project}_{name}" for name in internal), *outward]
    # One that is missing makes the command fail; the others are still reported.
    _code, out, _err = deployment.run(
        ["docker", "network", "inspect", "--format", "{{.Name}} {{.Internal}} {{.EnableIPv6}}", *names]
    )
    have = dict(line.split(" ", 1) for line in out.splitlines())
    wrong += [
        f"{name}: internal, IPv6 are {have.get(name, 'unknown')}"
        for name in names
        if have.get(name) != ("false false" if name in outward else "true false")
    ]
    figure = f"{', '.join(internal)} are internal, none has IPv6"
    check = f"{plan.alone} alone {'is' if plan is LAYOUT else 'are'} on a network with a way out"
    yield judged(AREA, check, wrong, figure, COMPOSE)


def ways_out(deployment: Deployment) -> Iterator[Row]:
    """Only what has a way out reaches the outside, and nothing reaches the instance metadata."""
    plan = layout(deployment)
    check = f"no container but {plan.alone} gets out"

    def leaves(one: dict[str, Any], at: Address) -> Callable[[], list[str]]:
        def probe() -> list[str]:
            if service_of(one) in plan.ways_out:
                return []
            found = [f"{at[0]}:{at[1]} reached"] if connects(at) else []
            return found + ([f"{OUTSIDE_NAME} was asked for outside"] if resolves(OUTSIDE_NAME) else [])

        return probe

    count = len(running(deployment))
    kept = count - len(plan.ways_out)
    host, at = outside(deployment.outside)
    if not connects(at):
        figure = f"the host itself does not reach {host}:{at[1]}, so nothing is shown"
        yield Row(
            AREA,
            check,
            False,
            figure,
            "Set verify_outside to what it reaches.",
        )
    else:
        found = each(deployment, lambda one: leaves(one, at))
        figure = f"{host}:{at[1]} and outside names refused in {kept} of {kept}"
        yield judged_each(check, found, figure, COMPOSE)
    metadata = each(deployment, lambda _: lambda: ["reached"] if connects_here(METADATA) else [])
    yield judged_each(
        "instance metadata cannot be reached", metadata, f"refused in {count} of {count}", FIREWALL
    )


def among_each_other(deployment: Deployment) -> Iterator[Row]:
    """Each service reaches the services it needs, and none with which it shares no network."""
    plan = layout(deployment)
    there = [
        (service_of(one), network, (at, plan.ports[service_of(one)]))
        for one in running(deployment)
        if service_of(one) in plan.ports
        for network, at in networks(one).items()
    ]

    def strays(one: dict[str, Any]) -> Callable[[], list[str]]:
        mine = service_of(one)
        apart = [
            (other, at) for other, network, at in there
            if other != mine and not plan.networks.get(mine, set()) & plan.networks[other]
        ]  # fmt: skip
        needed = {other for asker, other in plan.needs if asker == mine}
        # A service that is needed has addresses in other networks too, which cannot be reached.
        near = [(other, at) for other, network, at in there if other in needed and network in networks(one)]
        probed = [*apart, *near]

        def probe() -> list[str]:
            def opens(each: tuple[str, Address]) -> bool:
                return connects(each[1]) if each[0] in needed else connects_here(each[1])

            # A blocked connection gets no answer and takes the whole timeout, so all are tried at once. A
            # thread is in the network of the thread that starts it.
            with ThreadPoolExecutor(max_workers=max(len(probed), 1)) as threads:
                reached = threads.map(opens, probed)
                open_to = dict(zip(probed, reached, strict=True))
            strayed = [f"reaches {other} at {at[0]}:{at[1]}" for other, at in apart if open_to[other, at]]
            return strayed + [
                f"does not reach {other}"
                for other in sorted(needed)
                if not any(open_to[name, at] for name, at in probed if name == other)
            ]

        return probe

    found = each(deployment, strays)
    apart = sum(
        other != mine and not plan.networks[mine] & plan.networks[other]
        for mine in plan.networks
        for other in plan.ports
    )
    figure = f"{len(plan.needs)} connections open, {apart} refused"
    yield judged_each("each service reaches what it needs and nothing else", found, figure, COMPOSE)
