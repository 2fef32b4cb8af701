"""The data volume: mounted, shaped, and the only place that data can go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.host.conftest import Target


def test_data_lies_on_the_data_volume(host: Any, target: Target) -> None:
    mount = host.mount_point(target["data_path"])
    assert mount.exists
    assert mount.filesystem == "ext4"
    assert {"noatime", "nodev", "nosuid"} <= set(mount.options)
    numbers = host.check_output(f"stat --dereference --format=%Hr:%Lr {target['data_device']}")
    assert host.check_output(f"mountpoint --fs-devno {target['data_path']}") == numbers


def test_volume_is_mounted_at_boot_without_holding_it_up(host: Any) -> None:
    unit = host.check_output("systemctl show -p UnitFileState -p RequiredBy -p WantedBy opt-ragdock.mount")
    state = dict(line.split("=", 1) for line in unit.splitlines())
    assert state["UnitFileState"] == "enabled"
    assert "local-fs.target" in state["WantedBy"]
    assert "local-fs.target" not in state["RequiredBy"]


def test_engine_does_not_start_without_the_volume(host: Any) -> None:
    assert (
        "opt-ragdock.mount" in host.check_output("systemctl show --value -p Requires docker.service").split()
    )
    assert "opt-ragdock.mount" in host.check_output("systemctl show --value -p After docker.service").split()


def test_nothing_can_be_written_beside_the_volume(host: Any, target: Target) -> None:
    """Checked in a separate mount namespace, in which the volume is unmounted."""
    path = target["data_path"]
    flags = host.check_output(f"unshare --mount sh -c 'umount --lazy {path} && lsattr -d {path}'").split()[0]
    assert "i" in flags


def test_first_level_belongs_to_root(host: Any, target: Target) -> None:
    """No service can create anything beside its own directory."""
    names = " ".join(entry["path"] for entry in target["directories"])
    found = host.check_output(f"stat --format='%n %U:%G %a' {names}").splitlines()
    assert found == [
        f"{entry['path']} root:root {entry['mode'].lstrip('0')}" for entry in target["directories"]
    ]


def test_secrets_are_no_ones_to_list(host: Any, target: Target) -> None:
    """Only root can list them; each file is readable by its owner alone."""
    secrets = f"{target['data_path']}/secrets"
    if not host.file(secrets).exists:
        pytest.skip("nothing was deployed to this host yet")
    listable = f"find {secrets} -type d -perm /044"
    readable = f"find {secrets} -type f -perm /077"
    assert host.check_output(f"{listable}; {readable}") == ""
