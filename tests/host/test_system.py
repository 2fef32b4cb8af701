"""The base system: kernel, time, journal, upgrades."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.host.conftest import Target

UNITS = [
    "ragdock-firewall.service",
    "ssh.service",
    "cron.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "docker.service",
    "containerd.service",
]
NOT_ENABLED = ["nftables.service", "ssh.socket"]
JOURNAL_SIZE_MESSAGE = "ec387f577b844b8fa948f33cad9a75e6"
UNITS_OF_SIZE = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@pytest.mark.parametrize("unit", UNITS)
def test_unit_runs_and_starts_at_boot(host: Any, unit: str) -> None:
    state = host.check_output(f"systemctl show --value -p ActiveState -p UnitFileState {unit}").split()
    assert sorted(state) == ["active", "enabled"], host.run(f"journalctl -n 20 -u {unit}").stdout


@pytest.mark.parametrize("unit", NOT_ENABLED)
def test_unit_stays_off(host: Any, unit: str) -> None:
    """The first would flush Docker's rules when stopped, the second would share SSH's port."""
    assert host.run(f"systemctl is-enabled {unit}").stdout.strip() != "enabled"
    assert host.run(f"systemctl is-active {unit}").stdout.strip() != "active"


def test_hostname(host: Any, target: Target) -> None:
    assert host.check_output("hostname") == target["hostname"]


def test_running_kernel_has_the_wanted_settings(host: Any, target: Target) -> None:
    expected = target["sysctls_exact"]
    found = {name: str(host.sysctl(name)) for name in expected}
    assert found == {name: str(value) for name, value in expected.items()}


def test_running_kernel_has_enough(host: Any, target: Target) -> None:
    """OpenSearch refuses to start with fewer memory maps."""
    low = {n: host.sysctl(n) for n, least in target["sysctls_at_least"].items() if host.sysctl(n) < least}
    assert not low


def test_kernel_settings_survive_a_boot(host: Any, target: Target) -> None:
    kept = dict(
        re.findall(
            r"^(\S+) = (\S+)$", host.file("/etc/sysctl.d/60-ragdock.conf").content_string, re.MULTILINE
        )
    )
    assert set(kept) == {*target["sysctls_exact"], *target["sysctls_at_least"], "kernel.hostname"}


def test_no_swap(host: Any) -> None:
    """Memory within a container's limit must be fast, which swap would prevent.

    The host may be a container: a swap device of the machine around it does not count; it has no node here.
    """
    devices = [line.split()[0] for line in host.check_output("tail -n +2 /proc/swaps").splitlines()]
    assert [device for device in devices if host.file(device).exists] == []
    assert " swap " not in host.file("/etc/fstab").content_string


def test_time_is_kept_with_the_wanted_servers(host: Any, target: Target) -> None:
    shown = host.check_output(
        "systemctl show systemd-timesyncd -p ActiveState -p ConditionResult -p UnitFileState"
    )
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert state["UnitFileState"] == "enabled"
    configured = host.check_output("systemd-analyze cat-config systemd/timesyncd.conf")
    assert f"\nNTP={' '.join(target['time_servers'])}\n" in configured
    if state["ConditionResult"] == "no":
        # A container uses its machine's clock: systemd itself keeps the service off.
        assert host.run("systemd-detect-virt --container").rc == 0
    else:
        assert state["ActiveState"] == "active"


def test_journal_is_kept_within_its_limit(host: Any, target: Target) -> None:
    """The limit that journald reports, not the one in its file."""
    amount, unit = re.fullmatch(r"(\d+)([KMG])", target["journal_max"]).groups()  # type: ignore[union-attr]
    lines = host.check_output(f"journalctl -b -o json MESSAGE_ID={JOURNAL_SIZE_MESSAGE}").splitlines()
    persistent = [entry for entry in map(json.loads, lines) if entry["JOURNAL_PATH"].startswith("/var/log")]
    assert int(persistent[-1]["LIMIT"]) <= int(amount) * UNITS_OF_SIZE[unit]


@pytest.fixture(scope="module")
def apt(host: Any) -> list[str]:
    """apt's configuration, merged from all its files."""
    return [line for line in host.check_output("apt-config dump").splitlines() if line]


def values(apt: list[str], name: str) -> list[str]:
    """Return all values of an apt option or list."""
    pattern = re.compile(rf'^{re.escape(name)}(?:::)? "(.+)";$')
    return [match.group(1) for match in map(pattern.match, apt) if match]


def test_only_security_updates_install_themselves(apt: list[str]) -> None:
    origins = values(apt, "Unattended-Upgrade::Origins-Pattern")
    assert origins == ["origin=Debian,codename=${distro_codename}-security,label=Debian-Security"]
    assert values(apt, "Unattended-Upgrade::Allowed-Origins") == []
    assert values(apt, "APT::Periodic::Unattended-Upgrade") == ["1"]
    assert values(apt, "APT::Periodic::Update-Package-Lists") == ["1"]


def test_host_never_restarts_by_itself(apt: list[str]) -> None:
    assert values(apt, "Unattended-Upgrade::Automatic-Reboot") == ["false"]


def test_engine_never_upgrades_by_itself(host: Any, apt: list[str]) -> None:
    """Each installed package of the engine is caught by a pattern (matched from the name's start)."""
    patterns = values(apt, "Unattended-Upgrade::Package-Blacklist")
    engine = [
        name
        for name in ("docker.io", "docker-cli", "docker-compose", "containerd", "runc")
        if host.package(name).is_installed
    ]
    assert "docker.io" in engine
    assert [name for name in engine if not any(re.match(p, name) for p in patterns)] == []
