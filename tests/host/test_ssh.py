"""Who may log in, and what is open to the network."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.host.conftest import Target

# Read from sshd itself, so that a later drop-in that overrides an option is noticed.
SSHD = [
    ("permitrootlogin", "no"),
    ("passwordauthentication", "no"),
    ("kbdinteractiveauthentication", "no"),
    ("permitemptypasswords", "no"),
    ("authenticationmethods", "publickey"),
    ("pubkeyauthentication", "yes"),
    ("x11forwarding", "no"),
    ("allowtcpforwarding", "no"),
    ("allowagentforwarding", "no"),
    ("allowstreamlocalforwarding", "no"),
    ("permittunnel", "no"),
    ("gatewayports", "no"),
    ("permituserenvironment", "no"),
    ("maxauthtries", "3"),
    ("logingracetime", "30"),
]


@pytest.fixture(scope="module")
def sshd(host: Any) -> dict[str, str]:
    """The configuration that `sshd -T` prints."""
    lines = host.check_output("sshd -T").splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


@pytest.mark.parametrize(("option", "expected"), SSHD)
def test_sshd_policy(sshd: dict[str, str], option: str, expected: str) -> None:
    assert sshd[option] == expected


def test_sshd_runs_with_its_configured_policy(host: Any) -> None:
    """`sshd -T` reads files; the process must have started after they were written."""
    started = host.check_output('date +%s --date="$(systemctl show --value -p StateChangeTimestamp ssh)"')
    written = host.check_output("stat --format=%Y /etc/ssh/sshd_config.d/10-ragdock.conf")
    assert int(started) >= int(written)


def test_root_has_no_password(host: Any) -> None:
    assert host.check_output("passwd --status root").split()[1] in {"L", "NP", "LK"}


def test_nothing_else_listens_to_the_network(host: Any, target: Target) -> None:
    """A closed list: SSH and the ports that the edge publishes. Loopback is not restricted."""
    listening = host.check_output("ss -H -l -n -t -u")
    found = {
        (fields[0], int(fields[4].rsplit(":", 1)[1]))
        for fields in map(str.split, listening.splitlines())
        if not re.match(r"^(127\.|\[::1\]|.*%?lo:)", fields[4])
    }
    allowed = {("tcp", 22), ("udp", 68)} | {("tcp", port) for port in target["public_ports"]}
    assert found <= allowed, f"listening beside {allowed}: {found - allowed}"
    assert ("tcp", 22) in found
