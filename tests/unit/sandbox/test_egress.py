"""A host has a way out when it has a public address, unless a fault closes it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from sandbox import egress, faults
from sandbox.cloud import Address, Cloud, Instance
from sandbox.errors import SandboxError
from sandbox.settings import Sandbox

HOST = Instance(
    id="i-1", state="running", subnet_id="subnet-1", private_ip="10.20.1.4", image_id="", type="", zone=""
)
BRIDGES = {"subnet-1": "br-1"}
ADDRESSED = Cloud(instances=(HOST,), addresses=(Address(public_ip="127.1.2.3", instance_id="i-1"),))


@pytest.mark.parametrize(
    ("cloud", "faults", "wanted"),
    [
        (Cloud(instances=(HOST,)), set(), {("br-1", "10.20.1.4", False)}),
        (
            Cloud(instances=(HOST,), addresses=(Address(public_ip="127.1.2.3"),)),
            set(),
            {("br-1", "10.20.1.4", False)},
        ),
        (ADDRESSED, set(), set()),
        (ADDRESSED, {"egress"}, {("br-1", "10.20.1.4", False)}),
        (ADDRESSED, {"apt"}, {("br-1", "10.20.1.4", True)}),
        (ADDRESSED, {"apt", "egress"}, {("br-1", "10.20.1.4", False)}),
        (Cloud(instances=(HOST.model_copy(update={"state": "terminated"}),)), set(), set()),
    ],
    ids=["no address", "another's address", "address", "fault egress", "fault apt", "both", "ended"],
)
def test_which_ways_are_closed(cloud: Cloud, faults: set[str], wanted: set[Any]) -> None:
    """On EC2 a host waits for its address, so its first boot has to retry downloads."""
    assert egress.closed(cloud, BRIDGES, frozenset(faults)) == wanted


class Rules:
    """The kernel's rules, as `ip` shows them."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def ip(self, _rule: str, verb: str, *words: str) -> str:
        """Stands in for `ip rule`."""
        if verb == "show":
            return "\n".join(self.lines)
        given = dict(itertools.pairwise(words))
        port = " ipproto tcp dport 80" if "dport" in given else ""
        line = f"{given['pref']}:\tfrom {given['from']} iif {given['iif']}{port} blackhole"
        self.lines.remove(line) if verb == "del" else self.lines.append(line)
        return ""


OTHERS = ["0:\tfrom all lookup local", "16925:\tfrom all to 169.254.169.254 iif br-1 blackhole"]


def test_rules_follow_what_is_closed_and_nothing_else_is_touched() -> None:
    """Each change is reported once."""
    rules = Rules(*OTHERS)
    first = frozenset({("br-1", "10.20.1.4", False), ("br-1", "10.20.1.5", True)})
    assert list(egress.follow(first, rules.ip)) == [
        "the way out of 10.20.1.4 is closed",
        "the way out of 10.20.1.5 to port 80 is closed",
    ]
    assert egress.present(rules.ip) == first
    assert list(egress.follow(first, rules.ip)) == []
    assert list(egress.follow(frozenset(), rules.ip)) == [
        "the way out of 10.20.1.4 is open",
        "the way out of 10.20.1.5 to port 80 is open",
    ]
    assert rules.lines == OTHERS


def test_a_rule_of_a_network_that_is_gone_is_known() -> None:
    """Otherwise it would never be removed."""
    rules = Rules("16926:\tfrom 10.20.1.4 iif br-1 [detached] blackhole")
    assert egress.present(rules.ip) == {("br-1", "10.20.1.4", False)}


def test_faults_are_switched_by_name(tmp_path: Path) -> None:
    """A fault stays on until it is switched off."""
    sandbox = Sandbox(checkout=tmp_path)
    egress.switch(sandbox, "apt", "on")
    assert egress.switched(sandbox) == {"apt"}
    egress.switch(sandbox, "apt", "off")
    assert egress.switched(sandbox) == frozenset()
    with pytest.raises(SandboxError, match="There is no fault 'rain'"):
        faults.switch(sandbox, "rain", "on", None)
