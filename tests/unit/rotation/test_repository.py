"""A real backup repository: the new key is added first, then the old one is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository, ResticError
from ansible_collections.ragdock.host.plugins.modules import rotation_restic as rotation

pytestmark = pytest.mark.usefixtures("restic")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A new repository."""
    made = Repository(str(tmp_path / "repository"), "old", cache=tmp_path / "cache")
    made.init()
    return made


def change(place: str, password: str, new: str = "", remove: str = "") -> dict[str, object]:
    """Run the module."""
    root = Path(place).parent
    given = {"location": place, "region": "", "password": password, "new_password": new, "remove": remove}
    given["root"] = str(root)
    result: dict[str, object] = rotation.change(given)
    return result


def test_both_open_it_then_only_the_new(repository: Repository, tmp_path: Path) -> None:
    """Repeating a step changes nothing, and a key that someone added by hand stays."""
    repository.add_key("by-hand")
    old = change(repository.location, "old", new="new")
    assert old["changed"]
    assert not change(repository.location, "old", new="new")["changed"]
    assert len(repository.key_ids()) == 3
    assert change(repository.location, "new", remove=str(old["key"]))["changed"]
    assert not change(repository.location, "new", remove=str(old["key"]))["changed"]
    with pytest.raises(ResticError) as refused:
        repository.key()
    assert refused.value.kind == "password"
    assert Repository(repository.location, "by-hand", cache=tmp_path / "cache").key()


def test_the_key_in_use_is_never_removed(repository: Repository) -> None:
    """Otherwise the backups would be lost."""
    assert not change(repository.location, "old", remove=repository.key())["changed"]
    assert repository.key()


def test_a_repository_that_is_not_there_needs_no_new_key(tmp_path: Path) -> None:
    """The first backup creates it with the password of that day."""
    assert change(str(tmp_path / "none"), "old", new="new") == {"changed": False, "key": ""}
