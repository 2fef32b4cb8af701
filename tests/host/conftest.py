"""The host of one inventory, reached as Ansible reaches it.

Assumes that playbooks/configure.yml ran there. Nothing here changes the host, so
`pytest tests/host --ragdock-inventory inventory/production` is safe.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra

CHECKOUT = Path(__file__).parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that selects the host."""
    parser.addoption(
        "--ragdock-inventory",
        default=os.environ.get("RAGDOCK_INVENTORY", str(CHECKOUT / "inventory" / "sandbox")),
        help="Inventory whose host is tested (default: the sandbox's).",
    )


@dataclass(frozen=True)
class Target:
    """The host's address, and the values that its roles set."""

    facts: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The address and values of the host, as Ansible resolves them."""
    file = tmp_path_factory.mktemp("host") / "target.json"
    inventory = request.config.getoption("--ragdock-inventory")
    command = ["-m", "ansible", "playbook", "-i", inventory, "-e", f"target_file={file}"]
    outcome = subprocess.run(
        [sys.executable, *command, str(CHECKOUT / "tests" / "host" / "target.yml")],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert file.exists(), f"No host was found through {inventory}:\n{outcome.stdout}\n{outcome.stderr}"
    return Target(json.loads(file.read_text()))


@pytest.fixture(scope="session")
def host(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The host as root, over one persistent connection."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    # Each option is a pair of words: -o and its value, which may contain a whole command.
    options = "".join(f"  {option}\n" for option in shlex.split(target["arguments"])[1::2])
    config.write_text(
        f"Host {target['name']}\n  HostName {target['address']}\n  User {target['user']}\n"
        f"  IdentityFile {target['key']}\n{options}"
    )
    return testinfra.get_host(f"ssh://{target['name']}", ssh_config=str(config), sudo=True)
