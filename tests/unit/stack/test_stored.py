"""A deployment makes a backup first if its data formats differ or if the newest backup is a day old."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release
from ansible_collections.ragdock.host.plugins.module_utils.releases.stored import (
    differing,
    reasons,
    settings_of,
)

NOW = dt.datetime(2026, 5, 2, 12, tzinfo=dt.UTC)
FRESH = {"last_success": "2026-05-01T12:00:00Z"}


def release(at: Path, model: str, image: str) -> Release:
    at.mkdir()
    (at / ".env").write_text(f"OLLAMA_MODEL=x\nEMBEDDING_MODEL_NAME={model}\n")
    return Release(at, {"images": {"opensearch": {"ref": f"registry/opensearch@sha256:{image * 64}"}}})


def test_a_release_of_the_same_formats_with_a_fresh_backup_needs_none() -> None:
    assert reasons(differing({"ledger": "3"}, {"ledger": "3"}), FRESH, NOW) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"ledger": "3"}, {"ledger": "4"}, "ledger 3 -> 4"),
        ({"ledger": "4"}, {"ledger": "3"}, "ledger 4 -> 3"),
        ({"ledger": "3", "chunks": "1"}, {"ledger": "3", "chunks": "2"}, "chunks 1 -> 2"),
        ({"ledger": "3"}, {"ledger": "3", "index mapping": "1"}, "index mapping unknown -> 1"),
        ({}, {"ledger": "3"}, "ledger unknown -> 3"),
    ],
)
def test_another_format_needs_a_backup_however_fresh_the_last_is(
    before: dict[str, str], after: dict[str, str], expected: str
) -> None:
    assert reasons(differing(before, after), FRESH, NOW) == [
        f"the release changes what is stored ({expected})"
    ]


def test_another_embedder_or_opensearch_is_another_format(tmp_path: Path) -> None:
    here = settings_of(release(tmp_path / "a", "all-minilm", "1"))
    there = settings_of(release(tmp_path / "b", "bge-m3", "2"))
    assert differing(here, there) == [
        "embedding model all-minilm -> bge-m3",
        "OpenSearch image 111111111111 -> 222222222222",
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, "there is no backup yet"),
        ({"ok": False, "last_success": None}, "there is no backup yet"),
        ({"last_success": "2026-05-01T11:00:00Z"}, "the newest backup is 25 hours old"),
        ({"ok": False, "last_success": "2026-04-02T12:00:00Z"}, "the newest backup is 720 hours old"),
    ],
)
def test_an_old_or_missing_backup_is_due(state: dict[str, object], expected: str) -> None:
    assert reasons([], state, NOW) == [expected]
