"""A rotation keeps its state in the Parameter Store alone, so each step can be interrupted and repeated."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.secret_store import Store
from ansible_collections.ragdock.host.plugins.modules import rotation_store as rotation

NAMES = ["api_token", "restic_password"]


def step(
    store: Store, name: str, expected: str = "", notes: dict[str, str] | None = None, **how: bool
) -> Any:
    """Run one step of the module."""
    params = {
        "step": name, "wanted": expected, "names": NAMES, "notes": notes or {},
        "alone": [], "apart": [], "certificates": [], "deployment": "tried", "due_days": 0, "crossed": [],
    }  # fmt: skip
    return rotation.step(store, params, dry=how.get("dry", False))


def test_a_rotation_leaves_one_new_value_and_nothing_beside_it(store: Store) -> None:
    """The next deployment would accept any value that stays beside a secret."""
    assert step(store, "begin", "api_token")["begun"] == ["api_token"]
    new = store.value("api_token_next")
    assert store.value("api_token") == b"the-token-that-was"
    assert step(store, "promote")["promoted"] == ["api_token"]
    step(store, "finish")
    assert store.value("api_token") == new
    assert store.names() == set(NAMES)


def test_all_names_them_all_and_nothing_names_none(store: Store) -> None:
    """Only requested secrets are rotated."""
    quiet = step(store, "begin")
    assert not quiet["changed"]
    assert quiet["begun"] == []
    assert step(store, "begin", "all")["begun"] == NAMES


def test_an_interrupted_run_continues_with_the_same_value(store: Store) -> None:
    """A second new value would lock out the clients that already have the first."""
    step(store, "begin", "api_token")
    new = store.value("api_token_next")
    again = step(store, "begin")
    assert again["begun"] == ["api_token"]
    assert again["resumed"] == ["api_token"]
    assert store.value("api_token_next") == new


def test_a_run_that_was_cut_off_after_the_promotion_only_ends_the_old(store: Store) -> None:
    """Whether it is requested again by name or not, the value does not change a second time."""
    step(store, "begin", "api_token")
    step(store, "promote")
    new = store.value("api_token")
    again = step(store, "begin", "api_token")
    assert (again["begun"], again["promoted"]) == ([], ["api_token"])
    step(store, "promote")
    step(store, "finish")
    assert store.value("api_token") == new


def test_the_old_key_of_the_backups_is_known_until_the_end(store: Store) -> None:
    """After the promotion, the passwords no longer show which key was the old one."""
    step(store, "begin", "restic_password")
    assert step(store, "promote", notes={"restic_password": "0a1b"})["notes"] == {"restic_password": "0a1b"}
    # In the next run, the current key is the new one.
    again = step(store, "promote", notes={"restic_password": "ffff"})
    assert again["notes"] == {"restic_password": "0a1b"}
    step(store, "finish")
    assert store.names() == set(NAMES)


def test_a_name_that_is_none_is_refused_before_anything_changes(store: Store) -> None:
    """A typo must not leave a secret unrotated that its owner believes rotated."""
    with pytest.raises(LookupError, match="api_token, restic_password, or all, or due"):
        step(store, "begin", "api_token,api_tokne")
    assert store.names() == set(NAMES)


def test_a_check_changes_nothing_and_shows_no_value(store: Store) -> None:
    """The output of --check is copied and mailed."""
    message = step(store, "begin", "all", dry=True)
    assert message["begun"] == NAMES
    assert store.names() == set(NAMES)
    step(store, "begin", "all")
    shown = str(step(store, "promote")) + str(step(store, "finish"))
    assert not [name for name in NAMES if store.value(name).decode() in shown]
