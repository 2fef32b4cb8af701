"""Assumes: a deployed stack (`make up`). One file for each attacker of SECURITY.md, with his attempts.

Bounded on purpose: a few hundred requests, nothing aimed at any machine but the stack's own.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import api, bin_of_documents, endpoint, host
from tests.stack.host import Host

__all__ = ["api", "bin_of_documents", "endpoint", "host"]
HERE = Path(__file__).parent
Inside = Callable[[str, str], Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a stack."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def inside(host: Host) -> Inside:
    """Run a Python script as the host's root in a service's network, and parse its last line as JSON.

    An attacker in the container could do less: nothing but the network's rules limits the script.
    """

    def run(service: str, script: str) -> Any:
        pid = str(host.inspect(service)[0]["State"]["Pid"])
        output = host.run("nsenter", "-t", pid, "-n", "python3", "-", given=textwrap.dedent(script))
        return json.loads(output.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def addresses(host: Host) -> dict[str, list[str]]:
    """Map each service to its addresses on its networks."""
    return {
        one["Config"]["Labels"]["com.docker.compose.service"]: [
            at["IPAddress"] for at in one["NetworkSettings"]["Networks"].values()
        ]
        for one in host.inspect()
    }
