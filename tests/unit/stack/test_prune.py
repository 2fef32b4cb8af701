"""What a deployment and the job `prune` keep, besides the newest releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import jobs
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupError
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError
from ansible_collections.ragdock.host.plugins.module_utils.releases import rolling
from ansible_collections.ragdock.host.plugins.module_utils.releases.prune import backed_up
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store
from ansible_collections.ragdock.host.plugins.modules import release_switch
from ansible_collections.ragdock.host.plugins.modules.release_prune import of_backups
from tests.unit.real_restic import restic as restic

RELEASE = "20260101T000000-0123abcd"


def test_a_deployment_keeps_every_release_that_a_backup_was_made_of(tmp_path: Path) -> None:
    """A backup of an older index can be restored only with its release."""
    runs = {"20260101T000000-a": True, "20260102T000000-b": False, "20260103T000000-c": True}
    for release, ok in runs.items():
        (tmp_path / "releases" / release).mkdir(parents=True)
        (tmp_path / "current").unlink(missing_ok=True)
        (tmp_path / "current").symlink_to(f"releases/{release}")
        jobs.write_record(tmp_path, jobs.Outcome("backup", ok, 1.0, 2.0))
    assert backed_up(tmp_path) == {"20260101T000000-a", "20260103T000000-c"}


def test_a_release_serves_though_what_is_old_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a deployment that has switched would be reported as failed."""
    store = Store(tmp_path)
    store.write(RELEASE, {"compose.yaml": "services: {}"}, {"images": {}})
    store.complete(RELEASE)

    def fails(*_: object) -> list[str]:
        raise EngineError("docker image ls did not end within 60 s.")

    monkeypatch.setattr(rolling.RollingUpdate, "finish", lambda self: None)
    monkeypatch.setattr(release_switch, "prune", fails)
    wanted = {"root": str(tmp_path), "project": "ragdock", "id": RELEASE, "keep": 3}
    found = release_switch.switch({**wanted, "entry": {}, "contract": {}}, check=False)
    assert "playbooks/prune.yml" in found["left"][0]
    current = store.current()
    assert current is not None
    assert current.id == RELEASE


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """A host whose repository is empty."""
    (tmp_path / "backup").mkdir()
    repository = {"repository": str(tmp_path / "repository"), "password": "a long word 0123456789"}
    return {"root": str(tmp_path), "region": "", **repository}


def test_nothing_is_pruned_when_the_backups_were_taken_away(params: dict[str, Any], restic: None) -> None:
    """They can be brought back, and then need their releases."""
    del restic
    assert of_backups(params) == set(), "no backup was ever made"
    memory = Path(params["root"]) / "backup" / "memory.json"
    memory.write_text(json.dumps({"last": {"id": "20260310T020000Z", "time": 1.0}}))
    with pytest.raises(BackupError, match=r"20260310T020000Z was made.*undelete\.yml"):
        of_backups(params)
