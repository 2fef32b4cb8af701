"""The backup's module code as Ansible ships it, with the real restic on a local repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupPaths, Settings
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from tests.unit.real_restic import restic as restic

PARTS = 28


@pytest.fixture
def repository(tmp_path: Path, restic: None) -> Repository:
    """An empty repository on this machine's disk."""
    del restic
    one = Repository(
        str(tmp_path / "repository"), password="a long word 0123456789", cache=tmp_path / "cache"
    )
    one.init()
    return one


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings as the role would pass them."""
    words = {"name": "lab", "root": str(tmp_path), "project": "ragdock", "pattern": "quest-research*"}
    words |= {"location": "/srv/backups", "region": "eu-central-1", "endpoint_url": ""}
    numbers = dict.fromkeys(("upload_kib", "processors", "niceness", "stall_seconds", "snapshot_seconds"), 1)
    numbers |= dict.fromkeys(("hold_seconds", "reserve_mib", "snapshots_kept", "golden_count"), 2)
    numbers |= {"keep_daily": 7, "keep_weekly": 5, "keep_monthly": 12, "read_all_days": PARTS, "lock_days": 0}
    return Settings.of({**words, **numbers, "golden": []})


@pytest.fixture
def paths(tmp_path: Path) -> BackupPaths:
    """The directories of a host."""
    found = BackupPaths(tmp_path)
    for path in (found.raw, found.ledger, found.analytics, found.base):
        path.mkdir(parents=True)
    return found
