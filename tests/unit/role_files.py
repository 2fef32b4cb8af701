"""Paths of this checkout's roles and collection."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ROLES = CHECKOUT / "roles"
COLLECTIONS = CHECKOUT / "collections"
COLLECTION = COLLECTIONS / "ansible_collections/ragdock/host"
PLUGINS = COLLECTION / "plugins"
