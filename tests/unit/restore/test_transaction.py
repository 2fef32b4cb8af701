"""A restore that was interrupted while it replaced the live state: what the next runs make of it."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import cast

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupError, Settings
from ansible_collections.ragdock.host.plugins.module_utils.docker import Container, Engine
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.journal import (
    PREPARING,
    SWITCHED,
    SWITCHING,
    Entry,
    RestoreWorkspace,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.restore.transaction import Transaction
from ansible_collections.ragdock.host.plugins.modules.backup_prepare import Preparation
from tests.unit.backup.conftest import settings as settings

WORKER = Container(
    "new", "rag-worker", "rag-worker", "", "running", "none", 0, False, 0, "worker@sha256:1", ""
)


class Containers(Engine):
    """The worker that a deployment has started; the one before it no longer exists."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = WORKER

    def containers(self) -> list[Container]:
        return [self.worker]

    def run(self, *args: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        verb, name = args
        if name != self.worker.id:
            assert not check, "a container that no longer exists is no failure"
            return subprocess.CompletedProcess(args, 1, "", f"Error: No such container: {name}")
        state = {"start": "running", "stop": "exited"}[verb]
        self.worker = dataclasses.replace(self.worker, state=state)
        return subprocess.CompletedProcess(args, 0, name, "")


class Ready(Node):
    """An OpenSearch of which this restore changes nothing."""

    def __init__(self) -> None:
        """It needs no address."""

    def ready(self, seconds: float) -> None:
        """It is."""


def interrupted(root: Path, phase: str = SWITCHING) -> RestoreWorkspace:
    """A restore of documents, of which a run left the journal."""
    workspace = RestoreWorkspace(root)
    workspace.open()
    workspace.write(
        Entry("20260310T020000Z", "20260309T020000Z", parts.DOCUMENTS, 1.0, phase=phase, stopped=["old"])
    )
    return workspace


def test_it_is_undone_though_a_deployment_has_replaced_the_worker(tmp_path: Path) -> None:
    """The new worker is stopped meanwhile and runs again afterwards."""
    workspace, engine = interrupted(tmp_path), Containers()
    transaction = Transaction(workspace, Ready(), engine)
    assert "is undone" in transaction.settle()
    assert engine.worker.state == "running"
    assert workspace.read() is None


def test_the_worker_rests_while_it_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, engine = interrupted(tmp_path), Containers()
    seen: list[str] = []
    transaction = Transaction(workspace, Ready(), engine)
    aside = RestoreWorkspace.aside

    def looked(self: RestoreWorkspace, moment: str) -> Path:
        seen.append(engine.worker.state)
        return aside(self, moment)

    monkeypatch.setattr(RestoreWorkspace, "aside", looked)
    transaction.settle()
    assert set(seen) == {"exited"}


@pytest.mark.parametrize("phase", [PREPARING, SWITCHING, SWITCHED])
def test_no_backup_is_made_of_a_state_that_was_replaced_in_part(
    tmp_path: Path, settings: Settings, phase: str
) -> None:
    """Documents of one time with the index of another would count as a good backup."""
    interrupted(tmp_path, phase)
    step = Preparation(settings, cast("Repository", None), dry=False, run=None)
    if phase == SWITCHING:
        with pytest.raises(BackupError, match=r"20260309T020000Z was interrupted.*recover=true"):
            step.whole()
    else:
        step.whole()
