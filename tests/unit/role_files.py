"""Where this checkout keeps its roles and its collection."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ROLES = CHECKOUT / "roles"
COLLECTIONS = CHECKOUT / "collections"
COLLECTION = COLLECTIONS / "ansible_collections/ragdock/host"
PLUGINS = COLLECTION / "plugins"
