"""Roles hold YAML, templates and files; what runs is in the collection ragdock.host."""

from __future__ import annotations

from tests.unit.role_files import ROLES


def test_roles_share_code_through_the_collection_only() -> None:
    """A link is invisible to type checkers, and missing from an archive that does not follow it."""
    assert [path for path in ROLES.rglob("*") if path.is_symlink()] == []
    assert list(ROLES.rglob("*.py")) == []
