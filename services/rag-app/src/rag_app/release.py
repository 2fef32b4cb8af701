"""Reads which release is being served from a file, so that a new release restarts nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Release:
    """A release's id and its version of Ragdock; `unknown` where no deployment recorded them."""

    id: str = UNKNOWN
    version: str = UNKNOWN


def serving_release(record: Path) -> Release:
    """Read id and version from the release's record."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return Release(str(found["id"]), str(found.get("version", UNKNOWN)))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return Release()
