"""Fixtures and helpers of the stack's tests: the code as Ansible ships it, and a host's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store
from tests.unit.stack.rendering import Render, Rendered, rendered, secrets_made_up


@pytest.fixture(scope="session")
def secret_values() -> dict[str, str]:
    """A value for each secret, which must be in no rendered file."""
    return secrets_made_up()


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory, secret_values: dict[str, str]) -> Render:
    """A function that renders a release with some settings."""

    def run(**settings: Any) -> Rendered:
        values = settings.pop("secret_values", secret_values)
        return rendered(tmp_path_factory.mktemp("render"), values, **settings)

    return run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The store of an empty host."""
    return Store(tmp_path)


def add(store: Store, name: str, content: str = "", ref: str = "") -> None:
    """Add a complete release."""
    images = {"edge": {"ref": ref or f"registry/edge@sha256:{name[-8:]}"}}
    record: dict[str, Any] = {"content": content or name, "images": images}
    store.write(name, {"compose.yaml": f"# {name}\n", "config/edge/Caddyfile": name}, record)
    store.complete(name)


def lives(store: Store, name: str) -> None:
    """Add a complete release and make it the current one."""
    add(store, name)
    store.switch(name, {"verb": "deploy"})


def history(store: Store) -> list[str]:
    """Release ids in the order in which they went live."""
    return [json.loads(line)["release"] for line in store.history.read_text().splitlines()]
