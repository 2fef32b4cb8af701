"""A release is either complete or does not exist; the one in service is never lost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    ReleaseError,
    Store,
    content_hash,
    contract_warning,
    release_id,
    sync_tree,
)

from .conftest import add, history, lives

A, B, C, D = (f"2026010{day}T000000-{day}{day}{day}{day}aaaa" for day in range(1, 5))


def test_equal_files_are_the_same_release() -> None:
    assert content_hash({"a": "1", "b": "2"}) == content_hash({"b": "2", "a": "1"})


@pytest.mark.parametrize(
    "other", [{"a": "1", "b": "3"}, {"a": "12", "b": ""}, {"a": "1"}, {"a": "1", "c": "2"}]
)
def test_any_other_text_or_name_is_another_release(other: dict[str, str]) -> None:
    assert content_hash({"a": "1", "b": "2"}) != content_hash(other)


def test_a_release_is_named_by_time_and_content() -> None:
    noon = dt.datetime(2026, 1, 2, 12, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert release_id("0123456789abcdef", noon) == "20260102T110000-01234567"


def test_a_release_that_is_being_written_is_none(store: Store) -> None:
    store.write(A, {"compose.yaml": "x"}, {"content": "x", "images": {}})
    assert store.all() == []
    assert store.find("x") is None


def test_what_an_interrupted_run_left_is_removed_by_the_next(store: Store) -> None:
    store.write(A, {"compose.yaml": "x"}, {"content": "x", "images": {}})
    store.write(B, {"compose.yaml": "y"}, {"content": "y", "images": {}})
    assert [path.name for path in store.releases.iterdir()] == [f"{B}.tmp"]


def test_a_switch_moves_the_link_and_writes_history(store: Store) -> None:
    lives(store, A)
    lives(store, B)
    current, previous = store.current(), store.previous()
    assert current is not None
    assert previous is not None
    assert (current.id, previous.id, history(store)) == (B, A, [A, B])


def test_after_a_rollback_the_newer_release_is_the_previous_one(store: Store) -> None:
    lives(store, A)
    lives(store, B)
    store.switch(A, {"verb": "rollback"})
    previous = store.previous()
    assert previous is not None
    assert previous.id == B


def test_the_current_release_is_found_before_a_newer_equal_one(store: Store) -> None:
    add(store, A, content="same")
    store.switch(A, {})
    add(store, B, content="same")
    found = store.find("same")
    assert found is not None
    assert found.id == A


def test_an_unknown_release_is_answered_with_the_valid_ones(store: Store) -> None:
    lives(store, A)
    lives(store, B)
    with pytest.raises(ReleaseError, match=rf"no release 'yesterday'.*{B} \(serves now\), {A}.*-e release="):
        store.require("yesterday")


def test_going_back_from_the_only_release_is_refused(store: Store) -> None:
    lives(store, A)
    with pytest.raises(ReleaseError, match="no release before the current one"):
        store.require("")


def test_a_path_is_no_release_name(store: Store) -> None:
    lives(store, A)
    assert store.get(f"../releases/{A}") is None


def test_a_failed_release_is_kept_aside_and_never_found(store: Store) -> None:
    lives(store, A)
    add(store, B)
    assert store.fail(B).name == f"{B}.failed"
    assert store.find(B) is None
    assert [one.id for one in store.all()] == [A]


def test_the_serving_release_is_never_set_aside(store: Store) -> None:
    lives(store, A)
    assert store.fail(A) == store.releases / A
    assert store.current() is not None


def test_pruning_keeps_the_newest_and_never_the_count_over_safety(store: Store) -> None:
    for name in (A, B, C, D):
        lives(store, name)
    assert [path.name for path in store.doomed(3)] == [A]
    assert {path.name for path in store.doomed(1)} == {A, B}


def test_pruning_after_a_rollback_keeps_where_it_came_from(store: Store) -> None:
    for name in (A, B, C, D):
        lives(store, name)
    store.switch(A, {"verb": "rollback"})
    assert {path.name for path in store.doomed(2)} == {B, C}


def test_failed_releases_are_pruned_by_the_same_count(store: Store) -> None:
    lives(store, A)
    for name in (B, C, D):
        add(store, name)
        store.fail(name)
    assert [path.name for path in store.doomed(2)] == [f"{B}.failed"]


def test_two_changes_at_a_time_are_refused_with_the_lock_named(store: Store) -> None:
    with (
        store.locked(),
        pytest.raises(ReleaseError, match=r"release\.lock is locked"),
        store.locked(timeout=0),
    ):
        pytest.fail("the second got in")
    with store.locked(timeout=0):
        pass


def test_live_configuration_becomes_exactly_the_releases(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").write_text("gone")
    (tmp_path / "same").write_text("same")
    expected = {"same": "same", "edge/Caddyfile": "new"}
    assert sorted(sync_tree(tmp_path, expected)) == ["edge/Caddyfile", "old/file"]
    assert sync_tree(tmp_path, expected) == []
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "edge",
        "edge/Caddyfile",
        "same",
    ]


CONTRACT = {"model": "all-minilm", "digest": "d1", "dimension": 384, "chunker": 1}


def test_the_contract_read_by_the_smoke_test_is_recorded_once(store: Store) -> None:
    """A run that changes nothing writes nothing, even if the smoke test read no contract."""
    lives(store, A)
    assert store.note_contract(A, CONTRACT)
    assert store.require(A).contract == CONTRACT
    assert store.require(A).record["content"] == A
    assert not store.note_contract(A, CONTRACT)
    assert not store.note_contract(A, {})
    assert store.require(A).contract == CONTRACT


def test_a_model_that_was_replaced_since_changes_the_record(store: Store) -> None:
    lives(store, A)
    store.note_contract(A, CONTRACT)
    assert store.note_contract(A, CONTRACT | {"digest": "d2"})
    assert store.require(A).contract["digest"] == "d2"


@pytest.mark.parametrize(
    ("older", "newer", "words"),
    [
        (CONTRACT, CONTRACT, []),
        (CONTRACT | {"digest": "d0"}, CONTRACT, ["digest d1 -> d0", "reads every document again"]),
        (CONTRACT, CONTRACT | {"mapping": 2}, ["mapping 2 -> None"]),
        ({}, CONTRACT, []),
        (CONTRACT, {}, []),
    ],
)
def test_a_release_that_rebuilds_the_index_is_announced(
    store: Store, older: dict[str, object], newer: dict[str, object], words: list[str]
) -> None:
    """Releases from before the contract was recorded give no warning."""
    lives(store, A)
    lives(store, B)
    store.note_contract(A, older)
    store.note_contract(B, newer)
    message = contract_warning(store.require(A), store.current())
    assert bool(message) == bool(words)
    assert [word for word in words if word not in message] == []


def test_a_first_release_warns_of_nothing(store: Store) -> None:
    add(store, A)
    assert contract_warning(store.require(A), None) == ""
