"""Backups in a repository: how to identify and how to select one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ID = re.compile(r"^\d{8}T\d{6}Z\Z")
# A backup dated later than this is from a clock that was wrong.
CLOCK_SLACK = dt.timedelta(minutes=10)
# Tag of an upload that was not yet compared with its source and does not count.
UNPROVEN = "state:unproven"


@dataclass(frozen=True)
class Backup:
    """One backup: a snapshot of restic that carries our tags."""

    id: str
    snapshot: str
    time: dt.datetime
    release: str
    paths: tuple[str, ...]
    tags: tuple[str, ...]
    size: int

    @property
    def counts(self) -> bool:
        """Whether it was compared with its source. A run killed before that leaves one that was not."""
        return UNPROVEN not in self.tags

    def future(self, now: dt.datetime) -> bool:
        """Whether its date is in the future, because the clock was wrong."""
        return self.time > now + CLOCK_SLACK


def parse_backup(found: dict[str, Any]) -> Backup | None:
    """A backup from an entry of `restic snapshots`; None for a snapshot that is not ours."""
    tags = dict(tag.split(":", 1) for tag in found.get("tags") or [] if ":" in tag)
    if not ID.match(tags.get("backup", "")):
        return None
    # restic writes nanoseconds, which Python does not read.
    stamp = re.sub(r"\.\d+", "", found["time"]).replace("Z", "+00:00")
    return Backup(
        id=tags["backup"],
        snapshot=found["id"],
        time=dt.datetime.fromisoformat(stamp).astimezone(dt.UTC),
        release=tags.get("release", ""),
        paths=tuple(found.get("paths") or ()),
        tags=tuple(found.get("tags") or ()),
        size=int((found.get("summary") or {}).get("total_bytes_processed", 0)),
    )


def last_drills(drills: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Backup id -> when a drill verified it last, in the order of these drills.

    A backup whose last drill failed is not verified. `drills` are the lines of the history, oldest first.
    """
    found: dict[str, str] = {}
    for entry in drills:
        name = str((entry.get("figures") or {}).get("backup") or "")
        found.pop(name, None)
        if name and entry.get("ok"):
            found[name] = str(entry.get("ended", ""))
    return found


def choose(backups: Sequence[Backup], requested: str, now: dt.datetime) -> Backup | None:
    """Select a backup by `latest`, an id, the beginning of restic's own id, or a time.

    A time selects the newest backup that is not later. An id that the policy has removed selects none, not
    the one before. A backup dated in the future is never the latest, since the clock was wrong when it was
    made; it is selected by its id.
    """
    by_time = sorted(backups, key=lambda one: (one.time, one.id), reverse=True)
    honest = [one for one in by_time if not one.future(now)]
    if requested in ("", "latest"):
        return next(iter(honest), None)
    for one in by_time:
        if requested == one.id or (len(requested) >= 6 and one.snapshot.startswith(requested)):
            return one
    if ID.match(requested):
        return None
    try:
        until = dt.datetime.fromisoformat(requested.replace("Z", "+00:00"))
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
    return next((one for one in honest if one.time <= until), None)
