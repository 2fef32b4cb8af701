"""Blocks outgoing traffic of hosts: on EC2 an instance without a public address has no internet access.

Packets are dropped, not refused, as at an internet gateway. The AWS APIs, the registry and the metadata stay
reachable, because they are reached through the router. Two faults also block hosts that have an address.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.cloud import Cloud
from sandbox.settings import Sandbox

FAULTS = {
    "egress": "no host has a way out: packets are dropped, DNS included",
    "apt": "Debian's mirrors do not answer any host: packets to port 80 are dropped",
}
# After the rule for the metadata (networks.py), before the kernel's own tables.
PREFERENCE = "16926"
RULE = re.compile(
    rf"^{PREFERENCE}:\tfrom (?P<address>\S+) iif (?P<bridge>\S+)(?: \[detached\])?"
    r"(?P<web> ipproto tcp dport 80)?"
)

# Bridge, address of the host, and whether only port 80 is blocked.
Closed = tuple[str, str, bool]
Ip = Callable[..., str]


def _ip(*words: str) -> str:
    return subprocess.run(("ip", *words), capture_output=True, text=True, check=True).stdout


def closed(cloud: Cloud, bridges: dict[str, str], faults: frozenset[str]) -> frozenset[Closed]:
    """Return what must be blocked; BRIDGES maps subnets to interfaces."""
    associated = {address.instance_id for address in cloud.addresses if address.instance_id}
    found: set[Closed] = set()
    for instance in cloud.live:
        bridge = bridges.get(instance.subnet_id)
        if bridge is None:
            continue
        if "egress" in faults or not (instance.public_ip or instance.id in associated):
            found.add((bridge, instance.private_ip, False))
        elif "apt" in faults:
            found.add((bridge, instance.private_ip, True))
    return frozenset(found)


def present(ip: Ip = _ip) -> frozenset[Closed]:
    """Return what is blocked now."""
    matches = (RULE.match(line) for line in ip("rule", "show").splitlines())
    return frozenset((one["bridge"], one["address"], bool(one["web"])) for one in matches if one)


def follow(wanted: frozenset[Closed], ip: Ip = _ip) -> Iterator[str]:
    """Block and unblock as wanted; yield a line for each change."""
    before = present(ip)
    for verb, said, changes in (
        ("del", "is open", before - wanted),
        ("add", "is closed", wanted - before),
    ):
        for bridge, address, web in sorted(changes):
            only = ("ipproto", "tcp", "dport", "80") if web else ()
            ip("rule", verb, "iif", bridge, "from", address, *only, "blackhole", "pref", PREFERENCE)
            yield f"the way out of {address}{' to port 80' if web else ''} {said}"


def switched(sandbox: Sandbox) -> frozenset[str]:
    """Return the faults that are on."""
    return frozenset(name for name in FAULTS if _file(sandbox, name).exists())


def switch(sandbox: Sandbox, name: str, state: str) -> None:
    """Switch a fault on or off; the host loop acts on it within a second."""
    path = _file(sandbox, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if state == "on":
        path.touch()
    else:
        path.unlink(missing_ok=True)


def _file(sandbox: Sandbox, name: str) -> Path:
    return sandbox.state / "faults" / name
