"""Pulls a release's images from the registry and completes the release."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, last_lines
from ansible_collections.ragdock.host.plugins.module_utils.registry import pull
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    RECORD,
    Release,
    ReleaseError,
    Store,
)


def edge_check(release: Path, root: Path, image: str) -> list[str]:
    """The arguments of `docker` that make Caddy check its configuration, with the rights it will have."""
    return [
        "run", "--rm", "--network", "none", "--read-only", "--security-opt", "no-new-privileges",
        "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--user", "10003:10003",
        "--tmpfs", "/data:uid=10003,gid=10003", "--tmpfs", "/run/caddy:uid=10003,gid=10003",
        "--volume", f"{release / 'config' / 'edge'}:/etc/caddy:ro",
        "--volume", f"{root / 'secrets' / 'edge'}:/etc/edge-ca:ro",
        "--entrypoint", "caddy", image, "validate", "--config", "/etc/caddy/Caddyfile",
    ]  # fmt: skip


def check_edge(engine: Engine, release: Path, root: Path, image: str) -> None:
    """Check that the release's Caddy accepts its configuration."""
    done = engine.run(*edge_check(release, root, image), check=False)
    if done.returncode != 0:
        raise ReleaseError(
            f"Caddy refuses the rendered Caddyfile: {last_lines(done.stderr, 1)}. "
            "Check compose/edge/Caddyfile.j2."
        )


def fetch(store: Store, engine: Engine, name: str, endpoint_url: str) -> list[str]:
    """Pull the images of a release that are not on this host, and complete it if it is only staged.

    Uses the credentials of the instance's role; no token stays on disk. The edge's own new image checks the
    edge's configuration before the release is complete. Returns the references that were pulled; raises
    ReleaseError, EngineError or RegistryError. Running containers are not touched.
    """
    complete = store.get(name)
    staged = store.releases / f"{name}.tmp"
    release = complete or Release(staged, json.loads((staged / RECORD).read_text()))
    missing = engine.missing_images([image["ref"] for image in release.images.values()])
    if missing:
        pull(engine, missing, endpoint_url)
    if complete is None:
        check_edge(engine, staged, store.root, release.images["edge"]["ref"])
        store.complete(name)
    return missing
