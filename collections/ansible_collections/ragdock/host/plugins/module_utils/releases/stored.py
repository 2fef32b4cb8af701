"""The formats that a release stores, to decide whether changing to another one needs a backup first."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.jobs import epoch
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release

WORKER = "rag-worker"
EMBEDDER = "EMBEDDING_MODEL_NAME"
LONGEST_SECONDS = 120
DAY = 24 * 3600


def formats(engine: Engine, serving: Release, coming: Release) -> tuple[dict[str, str], dict[str, str]]:
    """Format -> version of both releases, from their settings and their worker's image."""
    before, after = settings_of(serving), settings_of(coming)
    if serving.images[WORKER]["ref"] != coming.images[WORKER]["ref"]:
        before |= versions_of(engine, serving.images[WORKER]["ref"])
        after |= versions_of(engine, coming.images[WORKER]["ref"])
    return before, after


def settings_of(release: Release) -> dict[str, str]:
    """The formats that the release stores, from its own files."""
    lines = release.files().get(".env", "").splitlines()
    embedder = next((line.partition("=")[2] for line in lines if line.startswith(f"{EMBEDDER}=")), "")
    return {
        "embedding model": embedder,
        # A newer OpenSearch rewrites its files when it starts, and an older one cannot read them.
        "OpenSearch image": release.images["opensearch"]["ref"].rpartition(":")[2][:12],
    }


def versions_of(engine: Engine, image: str) -> dict[str, str]:
    """The formats that a worker's image declares; none for an image without such labels."""
    words = ["python", "-m", "rag_worker", "stored"]
    done = engine.throwaway("deploy", image, words, timeout=LONGEST_SECONDS)
    versions = json.loads(done.stdout) if done.returncode == 0 else {}
    return {name: str(version) for name, version in versions.items()}


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The formats that change, each with both versions."""
    return [
        f"{name} {before.get(name, 'unknown')} -> {after.get(name, 'unknown')}"
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    ]


def reasons(changes: list[str], state: Mapping[str, Any], now: dt.datetime) -> list[str]:
    """Why a backup must come first, each as half a sentence; `state` is the record of the last backup."""
    found = [f"the release changes what is stored ({', '.join(changes)})"] if changes else []
    if not (last := state.get("last_success")):
        return [*found, "there is no backup yet"]
    age = now.timestamp() - epoch(last)
    if age > DAY:
        found.append(f"the newest backup is {age / 3600:.0f} hours old")
    return found
