"""The firewall: closed by default, not bypassed by Docker, and no metadata access for containers."""

from __future__ import annotations

import json
from typing import Any

import pytest

METADATA = "169.254.169.254"
# Prints "open" or the error; needs no shell or tool in the container.
CONNECT = (
    "python3 -c 'import socket,sys\n"
    'try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); print("open")\n'
    "except OSError as e: print(type(e).__name__, e)' {address} {port}"
)


def connect(host: Any, address: str, port: int, *, pid: str = "") -> str:
    """Connect from the host, or from the network of the container with this process."""
    enter = f"nsenter --net --target {pid} " if pid else ""
    return str(host.check_output(enter + CONNECT.format(address=address, port=port)))


@pytest.fixture(scope="module")
def containers(host: Any) -> dict[str, str]:
    """Process ids of containers that have a way out, by name."""
    ids = host.check_output("docker ps -q").split()
    if not ids:
        pytest.skip("no container runs on this host yet")
    described = json.loads(host.check_output(f"docker inspect {' '.join(ids)}"))
    internal = set(host.check_output("docker network ls -q --no-trunc --filter driver=bridge").split())
    networks = json.loads(host.check_output(f"docker network inspect {' '.join(internal)}"))
    open_networks = {net["Name"] for net in networks if not net["Internal"]}
    found = {
        item["Name"].lstrip("/"): str(item["State"]["Pid"])
        for item in described
        if open_networks & set(item["NetworkSettings"]["Networks"])
    }
    if not found:
        pytest.skip("no container with a way out runs on this host yet")
    return found


@pytest.fixture(scope="module")
def chains(host: Any) -> dict[str, dict[str, Any]]:
    """Our base chains, as loaded in the kernel."""
    listed = json.loads(host.check_output("nft --json list table inet ragdock"))["nftables"]
    return {entry["chain"]["name"]: entry["chain"] for entry in listed if "chain" in entry}


def test_everything_is_closed_unless_named(chains: dict[str, dict[str, Any]]) -> None:
    assert {name: chain["policy"] for name, chain in chains.items()} == {"input": "drop", "forward": "drop"}


def test_rules_in_the_kernel_are_those_that_were_loaded(host: Any) -> None:
    assert host.run("/usr/local/sbin/ragdock-firewall check").rc == 0


def test_firewall_is_up_before_network_and_engine(host: Any) -> None:
    before = host.check_output("systemctl show --value -p Before ragdock-firewall.service").split()
    assert {"network-pre.target", "docker.service"} <= set(before)


def test_engine_loads_the_firewall_before_each_start(host: Any) -> None:
    """Fail closed: without it no container starts."""
    assert "/usr/local/sbin/ragdock-firewall" in host.check_output(
        "systemctl show -p ExecStartPre docker.service"
    )


def test_no_container_reaches_the_metadata_address(host: Any, containers: dict[str, str]) -> None:
    """It gives out the credentials of the instance's role."""
    answers = {name: connect(host, METADATA, 80, pid=pid) for name, pid in containers.items()}
    assert [name for name, answer in answers.items() if answer == "open"] == [], answers


def test_the_host_itself_reaches_the_metadata_address(host: Any) -> None:
    """Otherwise the test above would pass on a host that has no such address."""
    assert connect(host, METADATA, 80) == "open"


def test_no_container_reaches_the_hosts_ssh(host: Any, containers: dict[str, str]) -> None:
    for pid in containers.values():
        route = host.check_output(f"nsenter --net --target {pid} ip route show default")
        if route:
            assert connect(host, route.split()[2], 22, pid=pid) != "open"
