#!/usr/bin/python
"""Ansible module: makes sure that a backup may begin: room, repository, OpenSearch, and no leftovers."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_prepare
short_description: Makes sure that a backup may begin
description:
  - Refuses early when the disk has no room, the repository cannot be used or OpenSearch is not healthy.
  - Removes what a killed run left, and repairs a repository in which damage was found.
options:
  new_repository: {description: Begin anew where the repository is gone., type: bool, default: false}
extends_documentation_fragment:
  - ragdock.host.arguments.backup
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Prepare the backup
  ragdock.host.backup_prepare:
    settings: "{{ _backup_settings }}"
    secrets: "{{ _backup_secrets }}"
"""

RETURN = r"""
id: {description: What the backup will be called., returned: success, type: str}
healed: {description: Damaged files of the repository that were repaired., returned: success, type: list}
cleared: {description: What a killed run had left., returned: success, type: list}
stands: {description: What an operator has if this backup fails., returned: always, type: str}
started: {description: When it began (seconds since the epoch)., returned: always, type: float}
"""

import datetime as dt
import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup import collect, quiesce
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    FAILURES,
    BackupError,
    BackupPaths,
    Memory,
    Settings,
    advice,
    gentle,
    what_stands,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import (
    PREFIX,
    Search,
    snapshot_name,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.restic import (
    Repository,
    ResticError,
    bucket_is_gone,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.journal import (
    SWITCHING,
    RestoreWorkspace,
)

HALF_MADE = ("IN_PROGRESS", "PARTIAL", "FAILED", "INCOMPATIBLE")
DAMAGED = "damaged"


def free(path: Path) -> int:
    """Bytes free on the disk of a directory."""
    return shutil.disk_usage(path).free


class Preparation:
    """The steps; `dry` only checks."""

    def __init__(self, settings: Settings, repository: Repository, dry: bool, run: Any) -> None:
        self.settings = settings
        self.paths = BackupPaths(settings.root)
        self.memory = Memory(self.paths)
        self.repository = repository
        self.dry = dry
        self.run = run
        self.cleared: list[str] = []
        self.healed: list[str] = []
        self.made = False
        self.known: set[str] = set()

    def whole(self) -> None:
        """Refuse a state of which a restore has replaced only a part."""
        entry = RestoreWorkspace(self.paths.root).read()
        if entry is not None and entry.phase == SWITCHING:
            raise BackupError(
                f"The restore of {entry.backup} was interrupted while it replaced documents and index. Run"
                " playbooks/restore.yml -e recover=true first, which undoes it."
            )

    def room(self, search: Search) -> None:
        """Refuse a full disk before anything is written to it."""
        known = self.memory.values.get("segments", {})
        new = 0
        for index in search.serving(self.settings.pattern):
            before = known.get(search.identity(index), [])
            segments = search.segments(index)
            new += sum(size for name, size in segments.items() if name not in before)
        copies, stored = collect.room_needed(self.paths, new)
        folder = collect.folder_of(self.settings.location)
        beside = folder is not None and folder.stat().st_dev == self.paths.root.stat().st_dev
        needed = copies + (stored if beside else 0)
        why = collect.enough_room(self.paths, needed, self.settings.reserve_mib, free)
        if not why and folder is not None and not beside:
            why = collect.enough_there(folder, stored, free)
        if why:
            raise BackupError(why)

    def clear(self, search: Search) -> None:
        """Remove what a killed run left unfinished."""
        if not self.dry:
            self.cleared += [
                f"worker {one} was paused" for one in quiesce.resume(self.run, self.settings.project)
            ]
        for name, state in search.snapshots().items():
            if name.startswith(PREFIX) and state in HALF_MADE:
                self.cleared.append(f"snapshot {name} was {state}")
                if not self.dry:
                    search.forget(name)
        if self.paths.work.exists() or self.paths.held.exists():
            self.cleared.append(f"{self.paths.work} was left")
            if not self.dry:
                collect.clear_work(self.paths)

    def open(self, begin_anew: bool) -> None:
        """Make sure that the repository can be used; the first backup makes it."""
        folder = Path(self.settings.location).parent
        if self.settings.location.startswith("/") and not folder.is_dir():
            raise BackupError(
                f"{folder} is not there. Is the disk of ragdock_backup_repository mounted? Nothing changed."
            )
        try:
            uploads = self.repository.uploads()
        except ResticError as error:
            if error.kind != "absent":
                raise
            self.begin(begin_anew)
            return
        self.known = {snapshot_name(one.id) for one in uploads}
        if not self.dry:
            self.repository.unlock()
            if self.memory.values.get("location") != self.settings.location:
                self.memory.save(location=self.settings.location, damaged=[], read={})
        for one in uploads:
            if not one.counts:
                self.cleared.append(f"the upload of {one.id} was never compared with its source")
                if not self.dry:
                    self.repository.run("forget", one.snapshot)

    def begin(self, begin_anew: bool) -> None:
        """Make the repository for the first backup; later only with the setting that says it was lost.

        Never make the bucket: restic would make it without versions and without our policy.
        """
        if bucket_is_gone(self.settings.location):
            raise ResticError("bucket", "S3 knows no such bucket")
        if self.memory.values.get("location") == self.settings.location and not begin_anew:
            raise ResticError("absent", "there is no repository any more")
        self.made = True
        if not self.dry:
            self.repository.init()
            self.memory.save(location=self.settings.location, damaged=[], read={})

    def heal(self) -> None:
        """Remove damaged files from the repository but keep their intact parts; the upload fills the gaps."""
        damaged = self.memory.values.get("damaged", [])
        if not damaged or self.dry:
            return
        self.repository.run("repair", "index")
        packs = [one for one in damaged if len(one) == 64]
        if packs:
            kept = self.paths.base / DAMAGED
            kept.mkdir(mode=0o700, exist_ok=True)
            self.repository.run("repair", "packs", *packs, directory=kept)
        self.healed = damaged

    def name(self, search: Search) -> str:
        """An id that is not used yet, even after the clock was set back."""
        taken = self.known | set(search.snapshots())
        now = dt.datetime.now(dt.UTC)
        while snapshot_name(f"{now:%Y%m%dT%H%M%SZ}") in taken:
            now += dt.timedelta(seconds=1)
        return f"{now:%Y%m%dT%H%M%SZ}"


def main() -> None:
    """Prepare the backup."""
    module = AnsibleModule(
        argument_spec=arguments("backup") | {"new_repository": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    require(module, "boto3")
    began = time.time()
    settings = Settings.of(module.params["settings"])
    repository = settings.repository(module.params["secrets"])
    step = Preparation(settings, repository, module.check_mode, module.run_command)
    stands = what_stands(step.memory)
    name = ""
    changed = False
    try:
        gentle(settings)
        with step.paths.alone():
            step.whole()
            search = settings.search(module.run_command, module.params["secrets"])
            step.room(search)
            step.open(module.params["new_repository"])
            changed = search.register(dry=module.check_mode)
            step.clear(search)
            step.heal()
            name = step.name(search)
    except FAILURES as error:
        module.fail_json(msg=advice(error, settings), stands=stands, cleared=step.cleared, started=began)
    module.exit_json(
        changed=bool(changed or step.cleared or step.healed or step.made),
        id=name,
        healed=step.healed,
        cleared=step.cleared,
        stands=stands,
        started=began,
    )


if __name__ == "__main__":
    main()
