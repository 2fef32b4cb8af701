"""Which release serves: a file that follows the release, so that a new one restarts nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Release:
    """A release's id and the version of Ragdock that made it; `unknown` where no deployment wrote one."""

    id: str = UNKNOWN
    version: str = UNKNOWN


def serving_release(record: Path) -> Release:
    """Id and version from the release's record."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return Release(str(found["id"]), str(found.get("version", UNKNOWN)))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return Release()
