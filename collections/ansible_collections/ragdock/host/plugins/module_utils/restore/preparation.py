"""The steps of a restore that do not touch live data: fetch, check, restore beside."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import PurePath

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.documents import unfinished
from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import snapshot_name
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.compatibility import ledger_refusal
from ansible_collections.ragdock.host.plugins.module_utils.restore.content import Content
from ansible_collections.ragdock.host.plugins.module_utils.restore.file_moves import files_below, plan
from ansible_collections.ragdock.host.plugins.module_utils.restore.journal import (
    Entry,
    Index,
    RestoreWorkspace,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node, new_name

NODE_SECONDS = 300.0


class RestoreError(Exception):
    """A step failed. The text says what and why."""


@dataclass
class Preparation:
    """The steps before the switch."""

    workspace: RestoreWorkspace
    node: Node
    engine: Engine
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def run(self, entry: Entry, repository: Repository, content: Content) -> None:
        """Do everything that can fail without an effect on users."""
        clock = time.monotonic()
        free = shutil.disk_usage(self.workspace.root).free
        parts.fetch(repository, content, self.workspace.staged, entry.scope, entry.file, free)
        clock = self._lap("fetch", clock)
        parts.check(content, self.workspace.staged, entry.scope, entry.file)
        parts.sort_out(self.workspace.staged, self.workspace.root / "data")
        self._fit_ledger(entry)
        clock = self._lap("check", clock)
        if entry.scope in (parts.ALL, parts.INDEX):
            self._indices(entry, content)
            self._lap("index", clock)
        self._moves(entry, content)
        self.workspace.write(entry)

    def _fit_ledger(self, entry: Entry) -> None:
        """Migrate the backup's ledger to the running software's version; refuse a newer one.

        A ledger of the same version is migrated too: that shows, before anything live is touched, that the
        switch can be made.
        """
        if entry.scope == parts.ANALYTICS:
            return
        theirs, ours = parts.ledger_of(self.workspace.staged), self.workspace.ledger
        running, found = ledger.facts(ours).version, ledger.facts(theirs).version
        # An older manifest has no version, so it is checked here too.
        if refusal := ledger_refusal(found, running):
            raise RestoreError(refusal)
        self.workspace.ledger_changes(self.engine).migrate(theirs)
        if (reached := ledger.facts(theirs).version) != running:
            raise RestoreError(
                f"the live ledger has version {running}, and the running software upgrades the backup's "
                f"only to version {reached}: a newer release wrote it, and a rollback keeps the ledger. "
                "Go to that release (playbooks/rollback.yml -e release=<id>), restore there, then go back"
            )

    def _indices(self, entry: Entry, content: Content) -> None:
        """Restore each index of the backup under a new name, and compare it with the manifest."""
        if not content.indices:
            return
        self.node.ready(NODE_SECONDS)
        repository = parts.repository_of(self.workspace.staged)
        if not repository.is_dir():
            raise RestoreError("the backup has no OpenSearch snapshots, although its manifest names indices")
        if self.workspace.repository.exists():
            shutil.rmtree(self.workspace.repository)
        repository.rename(self.workspace.repository)
        for name, one in content.indices.items():
            index = Index(name, one["alias"], new_name(name, entry.moment), self.node.behind(one["alias"]))
            entry.indices.append(index)
        self.workspace.write(entry)
        # The container sees the host's snapshots/ as /snapshots.
        self.node.open_copy(f"/snapshots/{self.workspace.repository.name}")
        found, wrong = {}, []
        for index in entry.indices:
            self.node.bring(snapshot_name(content.backup.id), index.name, index.new)
            found[index.name] = manifests.read_index(self.node, index.new)
            manifest = content.of_index(index.name)
            wrong += manifests.compare_indices(manifest, found)
            wrong += manifests.compare_golden(manifest, self.node, index.new)
            missing = self.node.pipeline_of(index.new)
            if missing:
                wrong.append(
                    f"the search pipeline {missing} of {index.name} is not here: run playbooks/deploy.yml"
                )
        if wrong:
            raise RestoreError(f"the restored index does not match the manifest: {manifests.summary(wrong)}")
        self.figures["chunks"] = sum(int(one["documents"]) for one in found.values())
        self.figures["golden"] = len(content.manifest["golden"])

    def _moves(self, entry: Entry, content: Content) -> None:
        """Plan the moves of files that differ from the live ones."""
        files = content.files(entry.scope, entry.file)
        live = self.workspace.root / "data"
        same = {path: not manifests.compare_files([one], live) for path, one in below(files).items()}
        others = [
            f"raw/{one}"
            for one in files_below(live / "raw")
            if entry.scope == parts.ALL and f"raw/{one}" not in files and not unfinished(PurePath(one))
        ]
        entry.moves = plan(self.workspace.paths(entry), same, others=others)
        self.figures["files"] = len(files)
        self.figures["files_replaced"] = sum(1 for move in entry.moves if move.new)
        self.figures["files_aside"] = len(others)

    def _lap(self, step: str, since: float) -> float:
        now = time.monotonic()
        self.seconds[step] = round(now - since, 1)
        return now


def below(files: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """The manifest's entries with the path that they have below data/."""
    return {path: {**entry, "path": path} for path, entry in files.items()}
