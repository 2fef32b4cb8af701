"""Lists the backups with the drills that verified them, and selects one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import ID, Backup, choose
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository, ResticError

SHOWN = 10
SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


class NoSuchBackupError(Exception):
    """No backup matches the request. The text lists the valid ones."""


def backups_of(repository: Repository) -> list[Backup]:
    """Every backup; none when there is no repository yet. Raises ResticError."""
    try:
        found: list[Backup] = repository.backups()
    except ResticError as error:
        if error.kind != "absent":
            raise
        found = []
    return found


def chosen(known: Sequence[Backup], requested: str, now: dt.datetime) -> Backup:
    """The requested backup, or an error that lists the valid ones."""
    if not known:
        raise NoSuchBackupError(
            "There is no backup in the repository yet. playbooks/backup.yml makes one. If there should be "
            "some: are ragdock_name and ragdock_backup_bucket those of the deployment that was backed up?"
        )
    found = choose(known, "latest" if requested == "newest" else requested, now)
    if found is None:
        ids = [one.id for one in reversed(known)]
        older = f" and {len(ids) - SHOWN} older ones" if len(ids) > SHOWN else ""
        why = "is no backup's id, and no backup is as old as that time"
        if ID.match(requested):
            why = "is not in the repository (any more)"
        raise NoSuchBackupError(
            f"'{requested}' {why}. Backups, newest first: {', '.join(ids[:SHOWN])}{older}. "
            "With sizes and drills: playbooks/restore.yml -e list=true"
        )
    return found


def readable(size: int) -> str:
    """A number of bytes in a suitable unit."""
    for unit, factor in SIZES:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def rows(known: Sequence[Backup], drills: Mapping[str, str]) -> list[list[str]]:
    """The table of -e list=true, newest first."""
    return [
        [
            one.id,
            f"{one.time:%Y-%m-%d %H:%M} UTC",
            readable(one.size),
            one.release or "-",
            f"drill of {drills[one.id][:16].replace('T', ' ')}" if one.id in drills else "no drill yet",
        ]
        for one in reversed(known)
    ]
