"""A deployment with several faults that make checks of `verify` fail, and the output of verify.yml for it.

All faults share one run of verify.yml, started by the first test that needs it: a run takes 15 seconds.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack
from dataclasses import dataclass

from tests.stack.endpoint import value
from tests.stack.host import LABEL, PROJECT, Host
from tests.stack.plays import Outcome, play

OF_LANDING = f"-f label={LABEL}.project={PROJECT} -f label={LABEL}.service=landing"
LANDING = f"$(docker ps -q {OF_LANDING})"
API_TOKEN = "$(find /opt/ragdock/secrets -name api_token -type f | head -1)"


@dataclass(frozen=True)
class Fault:
    """A command that breaks something on the host, one that undoes it, and the checks that must fail."""

    make: str
    undo: str
    fails: frozenset[str]


FAULTS = {
    "a secret that others can read": Fault(
        f"chmod 0644 {API_TOKEN}",
        f"chmod 0400 {API_TOKEN}",
        frozenset({"files are readable by their user alone"}),
    ),
    "a secret that was left about": Fault(
        f"cp {API_TOKEN} /opt/ragdock/state/left.txt",
        "rm /opt/ragdock/state/left.txt",
        frozenset({"none in .env, compose, config or state"}),
    ),
    "a further port": Fault(
        "systemd-run --unit=ragdock-test-listen --quiet /usr/bin/python3 -m http.server 8099; sleep 2",
        "systemctl stop ragdock-test-listen",
        frozenset({"listens on SSH, 80 and 443 only"}),
    ),
    "a container that gets a way out": Fault(
        f"docker network connect {PROJECT}_edge {LANDING}",
        f"docker network disconnect {PROJECT}_edge {LANDING}",
        frozenset({"the edge alone is on a network with a way out", "no container but the edge gets out"}),
    ),
}


@functools.cache
def verified() -> Outcome:
    """Run verify.yml with all of these faults made, and undo them afterwards."""
    host = Host(value("name"))
    with ExitStack() as undoing:
        for fault in FAULTS.values():
            host.shell(fault.make)
            undoing.callback(host.shell, fault.undo)
        return play("playbooks/verify.yml").refused("NOT PASSED")


def failed(outcome: Outcome) -> set[str]:
    """Return the names of the checks that did not pass, read from the printed table."""
    lines = [line for line in outcome.output.splitlines() if "NOT PASSED" in line]
    return {line.split("NOT PASSED")[0].split(maxsplit=1)[1].strip() for line in lines}
