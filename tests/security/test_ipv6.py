"""Someone who connects by IPv6: the deployment requests none, but the firewall covers a host that has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.verify.networks import NETWORKS
from tests.security.conftest import Inside
from tests.stack.host import Host

# A neighbour on an IPv6-only network, and a program on the host that listens on all addresses, as Docker's
# does for published ports where the kernel has IPv6.
NEIGHBOUR = """
ip netns add ragdock-six
ip link add rdsix0 type veth peer name rdsix1 netns ragdock-six
sysctl -q -w net.ipv6.conf.rdsix0.disable_ipv6=0
ip netns exec ragdock-six sysctl -q -w net.ipv6.conf.all.disable_ipv6=0
ip -6 address add fd77::1/64 dev rdsix0 nodad
ip link set rdsix0 up
ip -n ragdock-six link set rdsix1 up
ip -n ragdock-six -6 address add fd77::2/64 dev rdsix1 nodad
systemd-run --unit=ragdock-test-six --quiet /usr/bin/python3 -m http.server --bind :: 8098
"""
GONE = "systemctl stop ragdock-test-six || :; ip netns del ragdock-six"
TRY = """
import json, socket
from concurrent.futures import ThreadPoolExecutor
def reached(port):
    try:
        socket.create_connection(("fd77::1", port), 3).close()
    except OSError:
        return False
    return True
ports = (22, 80, 443, 8098)
with ThreadPoolExecutor(len(ports)) as threads:
    print(json.dumps([port for port, got in zip(ports, threads.map(reached, ports)) if got]))
"""
ADDRESSES = """
import json
print(json.dumps([line.split()[-1] for line in open("/proc/net/if_inet6")]))
"""


@pytest.fixture
def neighbour(host: Host) -> Iterator[None]:
    """Another machine beside the host."""
    try:
        host.shell(NEIGHBOUR)
        yield
    finally:
        host.shell(GONE)


@pytest.mark.usefixtures("neighbour")
def test_a_neighbour_gets_in_nowhere_by_ipv6(host: Host) -> None:
    """Not to SSH, published ports, or ports on all addresses; the firewall alone prevents it."""

    def reached() -> set[int]:
        output = host.run("ip", "netns", "exec", "ragdock-six", "python3", "-", given=TRY)
        return set(json.loads(output))

    host.wait("somebody listens", lambda: bool(host.run("ss", "-Hltn6", "sport", "=", ":8098").strip()), 20)
    assert reached() == set()
    host.run("nft", "insert", "rule", "inet", "ragdock", "input", "ip6", "saddr", "fd77::2", "accept")
    try:
        assert {22, 8098} <= reached(), "the way itself is there"
    finally:
        host.run("/usr/local/sbin/ragdock-firewall", "load")
    assert reached() == set()


def test_no_container_has_an_address_of_ipv6(inside: Inside) -> None:
    """Except loopback: nothing else can be reached, including the metadata address `fd00:ec2::254`."""
    with ThreadPoolExecutor(len(NETWORKS)) as threads:
        found = dict(zip(NETWORKS, threads.map(lambda one: inside(one, ADDRESSES), NETWORKS), strict=True))
    assert {service: names for service, names in found.items() if set(names) - {"lo"}} == {}


def test_the_firewall_keeps_containers_from_the_metadata_of_ipv6(host: Host) -> None:
    """The rule comes before any that accepts: someone else may give the instance IPv6."""
    rules = host.run("nft", "list", "chain", "inet", "ragdock", "forward")
    denied, accepted = rules.index("ip6 daddr fd00:ec2::/32 reject"), rules.index("accept")
    assert denied < accepted
    assert "policy drop" in rules
