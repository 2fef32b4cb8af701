"""Paths of this checkout's roles and collection."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
ROLES = CHECKOUT / "roles"
COLLECTIONS = CHECKOUT / "collections"
COLLECTION = COLLECTIONS / "ansible_collections/ragdock/host"
PLUGINS = COLLECTION / "plugins"
MODULES = sorted((PLUGINS / "modules").glob("*.py"))


def documented(module: Path, part: str) -> Any:
    """A module's DOCUMENTATION, EXAMPLES or RETURN, parsed."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == part:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module.name} has no {part}")
