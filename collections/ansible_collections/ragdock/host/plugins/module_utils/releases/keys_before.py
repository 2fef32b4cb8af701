"""Keys of models that run elsewhere, kept beside the new ones until the models have answered with those.

A new key is a new file and no new release: going back to the release before would not bring the key before.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.remote import NAME

SECRETS = Path("secrets") / NAME
KEPT = Path("state/remote-keys-before")


def keep(root: Path, key: Path) -> None:
    """Keep a key's file, which is about to be replaced. One that is kept already is the one that worked."""
    beside = root / KEPT / key.name
    if key.parent != root / SECRETS or not key.is_file() or beside.exists():
        return
    beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The same file: it keeps its owner, and its time, by which a key is known to have answered.
    os.link(key, beside)


def put_back(root: Path) -> list[str]:
    """Put every kept key back into its place; returns their names."""
    kept = sorted((root / KEPT).glob("*"))
    for one in kept:
        one.replace(root / SECRETS / one.name)
    forget(root)
    return [one.name for one in kept]


def forget(root: Path) -> None:
    """The new keys work."""
    if (root / KEPT).is_dir():
        shutil.rmtree(root / KEPT)
