#!/usr/bin/python
"""Ansible module: one backup, from the source to the repository, compared with the source read again."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_make
short_description: Makes one backup
description:
  - Copies the ledger, starts a snapshot of the indices and freezes a view of them at a point in time at which
    nothing is written. When something was written, this is repeated with the worker paused.
  - Writes the manifest from the frozen view, uploads all of it with restic, compares what arrived with the
    manifest and the manifest with the source read again. Only then does it count as a backup; what does not
    match is removed.
options:
  id: {description: What the backup is called., type: str, required: true}
  full: {description: "Read all files again, not only those that changed.", type: bool, default: false}
extends_documentation_fragment:
  - ragdock.host.arguments.backup
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Make the backup
  ragdock.host.backup_make:
    settings: "{{ _backup_settings }}"
    secrets: "{{ _backup_secrets }}"
    id: "{{ __backup_prepared.id }}"
"""

RETURN = r"""
figures: {description: "Sizes, counts and seconds.", returned: success, type: dict}
snapshot: {description: restic's own id., returned: success, type: str}
stands: {description: What an operator has if this backup fails., returned: always, type: str}
"""

import contextlib
import datetime as dt
import json
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup import (
    collect,
    documents,
    manifests,
    quiesce,
    upload,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.collect import Files
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    FAILURES,
    BackupError,
    BackupPaths,
    ChangedError,
    Memory,
    Settings,
    advice,
    gentle,
    what_stands,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.manifests import Known
from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import (
    PREFIX,
    Search,
    snapshot_name,
    until,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository

ATTEMPTS = 3
DECIDED_SECONDS = 20.0
DAY = 86400


class Making:
    """One backup."""

    def __init__(
        self, settings: Settings, search: Search, repository: Repository, name: str, run: Any
    ) -> None:
        self.settings = settings
        self.search = search
        self.repository = repository
        self.id = name
        self.snapshot = snapshot_name(name)
        self.run = run
        self.paths = BackupPaths(settings.root)
        self.memory = Memory(self.paths)
        self.figures: dict[str, Any] = {}
        self.views = contextlib.ExitStack()

    # --- point in time --------------------------------------------------------------------------

    def view(self, indices: dict[str, list[str]], hold: bool) -> dict[str, str]:
        """Copy the ledger, link the documents, freeze the views, start the snapshot, while nothing writes."""
        pause = (
            quiesce.paused(self.run, self.settings.project, self.settings.hold_seconds)
            if hold
            else contextlib.nullcontext()
        )
        # Most of the work is done first; the second pass only adds what has changed since.
        documents.hold(self.paths)
        began = time.monotonic()
        with pause:
            if hold and not all(map(quiesce.writable, collect.databases(self.paths))):
                raise ChangedError("a writer of the ledger was paused in the middle of a write")
            before = {name: self.search.sequence(name) for name in indices}
            collect.copy_databases(self.paths)
            documents.hold(self.paths)
            views = {}
            for name in indices:
                self.search.refresh(name)
                views[name] = self.views.enter_context(self.search.frozen(name))
            if indices:
                self.search.begin(self.snapshot, list(indices))
                if not until(lambda: self.search.decided(self.snapshot), DECIDED_SECONDS):
                    raise ChangedError("the snapshot did not begin in time")
            after = {name: self.search.sequence(name) for name in indices}
            if before != after:
                raise ChangedError("documents were written in the meantime")
        self.figures["held_seconds"] = round(time.monotonic() - began, 2) if hold else 0
        return views

    # --- content --------------------------------------------------------------------------------

    def index(self, name: str, aliases: list[str], pit: str) -> tuple[dict[str, Any], dict[str, str]]:
        """The manifest's entry of an index and the hashes of its documents; reads what changed."""
        identity = self.search.identity(name)
        memory = Memory.of_index(self.paths, identity)
        known: dict[str, Known] = {key: (one[0], one[1], one[2]) for key, one in memory.values.items()}
        turn = int(time.time() // DAY) % self.settings.read_all_days
        found = manifests.remembered_hashes(
            self.search,
            pit,
            known,
            lambda one: manifests.turn_of(one, self.settings.read_all_days) == turn,
        )
        memory.values = {}
        memory.save(**found)
        self.figures["documents"] = self.figures.get("documents", 0) + len(found)
        fresh = sum(known.get(key) != one for key, one in found.items())
        self.figures["documents_read"] = self.figures.get("documents_read", 0) + fresh
        hashes = {key: one[2] for key, one in found.items()}
        return manifests.describe_index(self.search, name, aliases, hashes), hashes

    def golden(self, views: dict[str, str], hashes: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
        """Golden queries and what they find."""
        found = []
        for name, pit in views.items():
            queries = manifests.golden_queries(
                self.search, pit, hashes[name], self.settings.golden, self.settings.golden_count
            )
            for query in queries:
                hits = manifests.golden_hits(self.search, query, pit=pit)
                found.append({"index": name, "query": query, "hits": hits})
        return found

    def manifest(self, indices: dict[str, list[str]], views: dict[str, str]) -> Files:
        """Read everything once and write the manifest; return the files that it names."""
        entries, hashes = {}, {}
        for name, aliases in indices.items():
            entries[name], hashes[name] = self.index(name, aliases, views[name])
        golden = self.golden(views, hashes)
        collect.copy_analytics(self.paths)
        release = collect.copy_release(self.paths)
        versions = collect.secret_versions(self.settings)
        collect.write_secrets(self.paths, versions)
        files = Files(self.paths)
        files.collect()
        text = manifests.write(
            {
                "id": self.id,
                "created": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
                "release": release.id,
                "versions": {
                    "opensearch": self.search.version(),
                    "ledger": collect.ledger_version(self.paths),
                    "ollama": release.images.get("ollama", {}).get("ref", ""),
                    "opensearch_image": release.images.get("opensearch", {}).get("ref", ""),
                    "ragdock": release.record.get("git_revision", ""),
                    "restic": self.repository.version(),
                },
                "snapshot": self.snapshot if indices else "",
                "indices": entries,
                "files": files.entries,
                "golden": golden,
                "secrets": versions,
                "settings_hash": release.record["content"],
            }
        )
        (self.paths.work / "manifest.json").write_text(text, encoding="utf-8")
        self.figures |= {"files": len(files.entries), "indices": len(entries), "golden_queries": len(golden)}
        return files

    # --- all of it -------------------------------------------------------------------------------

    def serving(self) -> dict[str, list[str]]:
        """Indices that a backup contains; none on a stack that has not ingested a document yet."""
        found: dict[str, list[str]] = self.search.serving(self.settings.pattern)
        others = [] if found else list(self.search.indices(self.settings.pattern))
        if others:
            raise BackupError(
                f"No alias serves any of the indices {', '.join(others)}: there are no answers, and a backup "
                "would have no passages. `docker compose -p ragdock logs rag-worker` on the host shows why; "
                "playbooks/restore.yml -e scope=index restores the index of the newest backup."
            )
        return found

    def replaced(self, indices: dict[str, list[str]]) -> bool:
        """Whether other indices serve now."""
        with contextlib.suppress(*FAILURES):
            return bool(self.search.serving(self.settings.pattern) != indices)
        return False

    def attempt(self, hold: bool, full: bool) -> str:
        """One attempt; leaves nothing when it fails."""
        collect.fresh_work(self.paths)
        indices = self.serving()
        arrived = ""
        with self.views:
            try:
                views = self.view(indices, hold)
                if indices:
                    done = self.search.finished(self.snapshot, self.settings.snapshot_seconds)
                    self.figures["shards"] = done["shards"]["successful"]
                segments = {
                    self.search.identity(name): sorted(self.search.segments(name)) for name in indices
                }
                files = self.manifest(indices, views)
                self.prune_snapshots()
                arrived = self.upload(full)
                upload.compare(self.repository, arrived, self.paths, files)
                counted = str(self.repository.count(arrived, self.id))
            except FAILURES as error:
                # What cannot be removed now does not count, and the next backup removes it.
                with contextlib.suppress(*FAILURES):
                    self.search.forget(self.snapshot)
                collect.clear_work(self.paths)
                with contextlib.suppress(*FAILURES):
                    if arrived:
                        self.repository.run("forget", arrived)
                if isinstance(error, SearchError) and self.replaced(indices):
                    raise ChangedError("a rebuilt index took the place of the one that served") from error
                raise
        self.memory.save(segments=segments, last={"id": self.id, "time": time.time()})
        Memory.forget_indices(self.paths, but=segments)
        collect.clear_work(self.paths)
        return counted

    def upload(self, full: bool) -> str:
        """Upload to the repository; return restic's id of the upload."""
        release = manifests.read((self.paths.work / "manifest.json").read_text())["release"]
        snapshot, figures = upload.upload(self.repository, self.settings, self.id, release, full)
        self.figures |= figures
        return str(snapshot)

    def prune_snapshots(self) -> None:
        """OpenSearch keeps the newest few; the repository of backups has the others."""
        ours = [name for name in self.search.snapshots() if name.startswith(PREFIX) and name != self.snapshot]
        surplus = ours[: max(0, len(ours) + 1 - self.settings.snapshots_kept)]
        for name in surplus:
            self.search.forget(name)
        self.figures |= {
            "snapshots_deleted": len(surplus),
            "bytes_cleaned": self.search.tidy() if surplus else 0,
        }

    def run_all(self, full: bool) -> str:
        """Retry until the source does not change."""
        reported: list[str] = []
        for number in range(ATTEMPTS):
            try:
                self.figures = {"attempts": number + 1}
                return self.attempt(hold=number > 0, full=full)
            except ChangedError as error:
                reported.append(str(error))
        raise BackupError(
            f"The source kept changing in {ATTEMPTS} attempts: {'; '.join(dict.fromkeys(reported))}. "
            f"What writes there? Add big files to {self.paths.raw} by upload or `mv`, not by a slow copy."
        )


def main() -> None:
    """Make the backup."""
    module = AnsibleModule(
        argument_spec=arguments("backup")
        | {"id": {"type": "str", "required": True}, "full": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    require(module, "boto3")
    settings = Settings.of(module.params["settings"])
    paths = BackupPaths(settings.root)
    stands = what_stands(Memory(paths))
    if module.check_mode:
        module.exit_json(changed=True, figures={}, snapshot="", stands=stands)
    began = time.monotonic()
    try:
        gentle(settings)
        with paths.alone():
            search = settings.search(module.run_command, module.params["secrets"])
            making = Making(
                settings,
                search,
                settings.repository(module.params["secrets"]),
                module.params["id"],
                module.run_command,
            )
            snapshot = making.run_all(module.params["full"])
    except FAILURES as error:
        module.fail_json(msg=advice(error, settings), stands=stands)
    figures = making.figures | {"id": making.id, "made_seconds": round(time.monotonic() - began, 1)}
    module.exit_json(changed=True, figures=json.loads(json.dumps(figures)), snapshot=snapshot, stands=stands)


if __name__ == "__main__":
    main()
