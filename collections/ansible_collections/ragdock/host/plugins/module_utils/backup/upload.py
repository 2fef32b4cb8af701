"""Uploads a backup to the repository and compares what arrived with what was sent."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import UNPROVEN
from ansible_collections.ragdock.host.plugins.module_utils.backup.collect import Files
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupPaths,
    ChangedError,
    Settings,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.documents import in_their_place
from ansible_collections.ragdock.host.plugins.module_utils.backup.manifests import ManifestError
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository


def upload(
    repository: Repository, settings: Settings, name: str, release: str, full: bool
) -> tuple[str, dict[str, Any]]:
    """Upload the files, which become a backup once compared; return restic's id and figures."""
    paths = BackupPaths(settings.root)
    tags = ["--tag", f"backup:{name}", "--tag", f"release:{release}", "--tag", UNPROVEN]
    saved = [str(path) for path in (paths.snapshots, paths.raw, paths.work)]
    words = [
        "backup",
        "--host",
        settings.name,
        *tags,
        # Adding or removing a hard link changes only a document's ctime.
        "--ignore-ctime",
        *(["--force"] if full else []),
    ]
    messages = repository.watched(
        *(*words, *saved),
        done_so_far=lambda one: float(one.get("bytes_done", 0)),
        begun_with=in_their_place(paths),
    )
    summary = next(one for one in messages if one.get("message_type") == "summary")
    figures = {
        "bytes": int(summary["total_bytes_processed"]),
        "bytes_added": int(summary.get("data_added_packed", summary["data_added"])),
    }
    return str(summary["snapshot_id"]), figures


def listed(path: str) -> str:
    """Return how restic lists a path: each byte that is not UTF-8 is a replacement character there."""
    return re.sub("[\udc80-\udcff]", "\ufffd", path)


def compare(repository: Repository, snapshot: str, paths: BackupPaths, files: Files) -> None:
    """Check that what arrived matches the manifest, and that the manifest still matches the source."""
    manifest = paths.work / "manifest.json"
    if repository.read(snapshot, str(manifest)) != manifest.read_text(encoding="utf-8"):
        raise ManifestError("the manifest in the repository is another than the one that was sent")
    there = repository.files(snapshot)
    wrong = [
        f"{one['path']} ({there.get(listed(one['path']), 'no')} bytes in the repository)"
        for one in files.entries
        if there.get(listed(one["path"])) != one["size"]
    ]
    changed = files.changed()
    if changed:
        raise ChangedError(f"files changed while they were read: {manifests.summary(changed)}")
    if wrong:
        raise ManifestError(f"the repository holds something else: {manifests.summary(wrong)}")
