"""Keeps the old keys of models that run elsewhere until the models have answered with the new ones.

A new key is a new file but not a new release, so a rollback to the previous release would not restore it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.remote import NAME

SECRETS = Path("secrets") / NAME
KEPT = Path("state/remote-keys-before")


def keep(root: Path, key: Path) -> None:
    """Keep a key's file that is about to be replaced. If one is already kept, that is the one that worked."""
    beside = root / KEPT / key.name
    if key.parent != root / SECRETS or not key.is_file() or beside.exists():
        return
    beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A hard link keeps the owner and the time, which identifies a key that has answered (remote_ask).
    os.link(key, beside)


def put_back(root: Path) -> list[str]:
    """Put every kept key back into its place; returns their names."""
    kept = sorted((root / KEPT).glob("*"))
    for one in kept:
        one.replace(root / SECRETS / one.name)
    forget(root)
    return [one.name for one in kept]


def forget(root: Path) -> None:
    """Remove the kept keys, which are no longer needed."""
    if (root / KEPT).is_dir():
        shutil.rmtree(root / KEPT)
