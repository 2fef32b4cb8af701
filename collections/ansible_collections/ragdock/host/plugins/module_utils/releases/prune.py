"""Selects and removes releases and images that this host no longer needs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils import jobs
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release, Store


def unused_images(have: list[str], kept: list[Release]) -> list[str]:
    """Images of this deployment's repositories that no kept release names. Other images are not touched."""
    refs = {image["ref"] for release in kept for image in release.images.values()}
    repositories = {ref.split("@")[0] for ref in refs}
    return [
        ref
        for ref in have
        if ref.split("@")[0] in repositories and ref not in refs and not ref.endswith("@<none>")
    ]


def backed_up(root: Path) -> set[str]:
    """Releases that backups on record were made of, though some of these backups may be gone by now.

    A deployment does not wait for the repository to be read; playbooks/prune.yml asks it which are kept.
    """
    return {str(one.get("release", "")) for one in jobs.read_history(root, "backup") if one.get("ok")}


def prune(store: Store, engine: Engine, keep: int, needed: Collection[str] = ()) -> list[str]:
    """Remove what is beyond the count, except what backups need."""
    doomed = [path for path in store.doomed(keep) if path.name not in needed]
    for path in doomed:
        shutil.rmtree(path)
    have = engine.run("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}").stdout.split()
    images = unused_images(have, store.all())
    for ref in images:
        # An image that a stopped helper container still uses stays until the next time.
        engine.run("image", "rm", ref, check=False)
    return [path.name for path in doomed] + images
