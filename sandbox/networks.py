"""The networks: the AWS one, one for each subnet in use, and the router between them."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sandbox import docker_api
from sandbox.cloud import Subnet
from sandbox.docker_api import PART, SUBNET, Container
from sandbox.settings import LABEL, Sandbox

ROUTER = "ragdock-router"
METADATA = "169.254.169.254"
# Before the kernel's own tables, so that the rule applies whatever routes the machine has.
PREFERENCE = "16925"


def aws_network(sandbox: Sandbox) -> str:
    """Return the network of the AWS APIs and the registry; only one sandbox per machine can have it."""
    return "ragdock-aws"


def subnet_network(subnet_id: str) -> str:
    """The Docker network of a subnet."""
    return f"ragdock-{subnet_id}"


def ensure_aws(client: Any, sandbox: Sandbox) -> None:
    """Make sure that the network of the AWS APIs exists."""
    network = docker_api.ensure_network(
        client, sandbox, aws_network(sandbox), str(sandbox.network), str(sandbox.network[1])
    )
    _guard(network)


def owner_of(found: Any, sandbox: Sandbox) -> Path | None:
    """Return the checkout whose code the router runs, if that is a different one that still exists."""
    binds = found.attrs["HostConfig"]["Binds"] if found else ()
    owners = {Path(bind.partition(":")[0]).parents[1] for bind in binds if ":/opt/router:" in bind}
    return next((one for one in owners if one != sandbox.checkout and one.is_dir()), None)


def router(sandbox: Sandbox) -> Container:
    """Specify the container that routes hosts to the AWS network and serves their metadata."""
    code = sandbox.checkout / "sandbox" / "router"
    return Container(
        name=ROUTER,
        image="ragdock-sandbox/host:trixie",
        network=aws_network(sandbox),
        address=str(sandbox.router_address),
        part="router",
        command=("python3", "-u", "/opt/router/metadata.py", str(sandbox.network)),
        salt=(code / "metadata.py").read_text(),
        options={
            "host": {
                "binds": [
                    f"{code}:/opt/router:ro",
                    f"{sandbox.state / 'metadata'}:/run/metadata:ro",
                ],
                "cap_drop": ["ALL"],
                "cap_add": ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "DAC_READ_SEARCH"],
                "sysctls": {"net.ipv4.ip_forward": "1"},
                "init": True,
            },
            "stop_signal": "SIGTERM",
        },
    )


def ensure_subnet(client: Any, sandbox: Sandbox, subnet: Subnet) -> Any:
    """Make sure that a subnet's network exists and the router is connected to it."""
    cidr = IPv4Network(subnet.cidr)
    network = docker_api.ensure_network(
        client,
        sandbox,
        subnet_network(subnet.id),
        subnet.cidr,
        str(cidr[1]),
        {SUBNET: subnet.id, PART: "subnet"},
    )
    _guard(network)
    network.reload()
    member = docker_api.find(client, ROUTER)
    if member is not None and member.id not in (network.attrs.get("Containers") or {}):
        member.reload()
        if network.name in member.attrs["NetworkSettings"]["Networks"]:
            network.disconnect(member, force=True)
        network.connect(member, ipv4_address=str(cidr[2]))
    return network


def ours(client: Any, sandbox: Sandbox) -> list[Any]:
    """Every network that the sandbox made."""
    return list(client.networks.list(filters={"label": f"{LABEL}={sandbox.name}"}))


def remove(network: Any) -> None:
    """Remove a network and its guard."""
    _rule("del", network)
    docker_api.remove_network(network)


def _guard(network: Any) -> None:
    """Block packets that this machine would route from the network to its own metadata service.

    Hosts have a route to the router's metadata. If that route is missing or wrong, their
    packets would take the default route, to whatever cloud this machine runs in.
    """
    if f"to {METADATA} iif {bridge(network)} " not in _ip("rule", "show"):
        _rule("add", network)


def _rule(verb: str, network: Any) -> None:
    rule = ("iif", bridge(network), "to", METADATA, "blackhole")
    if verb == "del" and f"to {METADATA} iif {bridge(network)} " not in _ip("rule", "show"):
        return
    _ip("rule", verb, *rule, "pref", PREFERENCE)


def bridge(network: Any) -> str:
    """Return the bridge interface of a network on this machine."""
    return f"br-{network.id[:12]}"


def _ip(*words: str) -> str:
    return subprocess.run(("ip", *words), capture_output=True, text=True, check=True).stdout
