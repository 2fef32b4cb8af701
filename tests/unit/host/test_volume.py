"""host_system: the parts that need no block device (molecule/host has one)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.host import volume

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("position", "blank"),
    [(None, True), (0, False), (MEBIBYTE - 1, False), (8 * MEBIBYTE - 1, False), (4 * MEBIBYTE, True)],
)
def test_blank_looks_at_both_ends(tmp_path: Path, position: int | None, blank: bool) -> None:
    """Signatures are at both ends. wipefs finds only those that it knows; a check for zeros needs no list."""
    file = tmp_path / "disk"
    with file.open("wb") as handle:
        handle.truncate(8 * MEBIBYTE)
        if position is not None:
            handle.seek(position)
            handle.write(b"\x01")
    assert volume.zeros(str(file)) is blank


def test_device_smaller_than_a_mebibyte_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.write_bytes(b"\0" * 4096 + b"\x01")
    assert volume.zeros(str(file)) is False


def test_boot_does_not_depend_on_the_volume() -> None:
    unit = volume.mount_unit("/dev/disk/by-id/x", "/opt/ragdock", ["noatime", "nodev"])
    assert "WantedBy=local-fs.target" in unit
    assert "RequiredBy" not in unit
    assert "What=/dev/disk/by-id/x\nWhere=/opt/ragdock\nType=ext4\nOptions=noatime,nodev\n" in unit
