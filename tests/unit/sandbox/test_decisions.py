"""What the host loop decides from what it sees."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sandbox.cloud import Address, Cloud, Group, Instance, Rule, admitted
from sandbox.ebs import Disk, assign
from sandbox.errors import SandboxError
from sandbox.forwarder import Forward
from sandbox.hosts import POWERED_OFF, REBOOTED, Action, decide
from sandbox.ingress import forwards
from sandbox.seed import hardware
from sandbox.settings import Sandbox
from sandbox.show import url

SANDBOX = Sandbox(name="demo")
HOST = Instance(
    id="i-1",
    state="running",
    subnet_id="subnet-1",
    private_ip="10.20.1.4",
    image_id="ami-1",
    type="t3.large",
    zone="us-east-1a",
    groups=("sg-web",),
    tags={"ragdock:name": "demo"},
)


@pytest.mark.parametrize(
    ("state", "container", "code", "seen", "reboot", "wanted"),
    [
        ("running", None, 0, False, False, Action.CREATE),
        ("running", "running", 0, True, False, Action.NOTHING),
        ("running", "running", 0, True, True, Action.REBOOT),
        ("running", "created", 0, False, False, Action.START),
        ("running", "exited", REBOOTED, True, False, Action.START),
        ("running", "exited", POWERED_OFF, True, False, Action.REPORT_OFF),
        # Stopped while the loop did not run (`down`, or a restart of this machine): not by the host itself.
        ("running", "exited", POWERED_OFF, False, False, Action.START),
        ("running", "exited", 137, True, False, Action.START),
        ("stopped", "running", 0, True, False, Action.STOP),
        ("stopped", "exited", POWERED_OFF, True, False, Action.NOTHING),
        ("terminated", "running", 0, True, False, Action.REMOVE),
        ("terminated", "exited", 0, True, False, Action.REMOVE),
        ("terminated", None, 0, False, False, Action.NOTHING),
    ],
)
def test_action(
    state: str, container: str | None, code: int, seen: bool, reboot: bool, wanted: Action
) -> None:
    """Each row is one state that the loop can observe."""
    assert decide(state, container, code, seen_running=seen, reboot=reboot) is wanted


def test_a_volume_keeps_its_device_name() -> None:
    """If a name moved, one volume would appear in the place of another."""
    first = assign(["vol-a", "vol-b"], [])
    assert first == {"vol-a": "nvme1n1", "vol-b": "nvme2n1"}
    assert assign(["vol-b", "vol-c"], first.items()) == {"vol-b": "nvme2n1", "vol-c": "nvme1n1"}


def test_hardware_lists_routes_and_disks() -> None:
    """The host's script reads these exact lines."""
    disk = Disk(name="nvme1n1", major=7, minor=3, volume_id="vol-0ab")
    assert hardware(HOST, [disk], "10.20.1.2", SANDBOX).splitlines() == [
        "route 169.254.169.254/32 10.20.1.2",
        "route 10.99.0.0/24 10.20.1.2",
        "disk nvme1n1 7 3 vol0ab",
    ]


OFFICE, SIX, EVERYBODY = (ip_network(one) for one in ("203.0.113.0/24", "2001:db8::/32", "0.0.0.0/0"))


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {EVERYBODY},
        ),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, {EVERYBODY}),
        ({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 442, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, set()),
        ({"IpProtocol": "udp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, set()),
        (
            {
                "IpProtocol": "tcp",
                "FromPort": 80,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "203.0.113.0/24"}],
                "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
            },
            {OFFICE, SIX},
        ),
    ],
)
def test_a_security_group_admits_tcp_from_its_ranges(rule: dict[str, object], wanted: set[object]) -> None:
    assert Group(id="sg-web", rules=admitted([rule])).sources(443) == wanted


def test_forwards_lead_to_running_hosts_through_open_ports() -> None:
    """Not to a stopped host, nor through a closed port; each admits the ranges of the security group."""
    web = {"sg-web": Group(id="sg-web", rules=(Rule(low=443, high=443, source=OFFICE),))}
    address = (Address(public_ip="127.1.2.3", instance_id="i-1"), Address(public_ip="127.1.2.4"))
    up = Cloud(instances=(HOST,), addresses=address, groups=web)
    assert forwards(up) == {("127.1.2.3", 443): Forward(("10.20.1.4", 443), frozenset({OFFICE}))}
    stopped = HOST.model_copy(update={"state": "stopped"})
    assert forwards(up.model_copy(update={"instances": (stopped,)})) == {}


@pytest.mark.parametrize(
    ("client", "wanted"),
    [("203.0.113.9", True), ("203.0.114.9", False), ("2001:db8::1", True), ("::1", False)],
)
def test_a_forward_admits_those_of_its_ranges(client: str, wanted: bool) -> None:
    assert Forward(("10.20.1.4", 443), frozenset({OFFICE, SIX})).admits(client) is wanted


def test_url_is_of_the_instance_with_this_name() -> None:
    """Another deployment in the same account has a different tag."""
    addresses = (Address(public_ip="127.1.2.3", instance_id="i-1"),)
    assert url(SANDBOX, Cloud(instances=(HOST,), addresses=addresses)) == "https://127.1.2.3/"
    other = HOST.model_copy(update={"tags": {"ragdock:name": "other"}})
    with pytest.raises(SandboxError, match="ragdock:name=demo"):
        url(SANDBOX, Cloud(instances=(other,), addresses=addresses))
