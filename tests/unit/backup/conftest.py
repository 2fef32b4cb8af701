"""Helpers of the backup as Ansible ships them; restic is the real one, on a local repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.real_restic import restic as restic
from tests.unit.role_files import share

share("stack", "backup")

from ansible.module_utils.ragdock_restic import Repository  # noqa: E402


@pytest.fixture
def repository(tmp_path: Path, restic: None) -> Repository:
    """An empty repository on this machine's disk."""
    del restic
    one = Repository(
        str(tmp_path / "repository"), password="a long word 0123456789", cache=tmp_path / "cache"
    )
    one.init()
    return one
