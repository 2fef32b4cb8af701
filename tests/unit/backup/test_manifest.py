"""A manifest notices whatever differs, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import ragdock_manifest
from ansible.module_utils.ragdock_manifest import ManifestError

INDEX: dict[str, Any] = {"documents": 2, "checksum": "c", "mappings_meta": {"embedding": {"dimension": 384}}}


def test_the_checksum_depends_on_ids_and_contents_only() -> None:
    """Not on the order in which documents are read, nor on the order of their fields."""
    one = ragdock_manifest.content_hash({"text": "ä", "ordinal": 1})
    same = ragdock_manifest.content_hash({"ordinal": 1, "text": "ä"})
    other = ragdock_manifest.content_hash({"ordinal": 2, "text": "ä"})
    assert one == same != other
    base = ragdock_manifest.checksum({"a": one, "b": other})
    assert base == ragdock_manifest.checksum({"b": other, "a": one})
    changed = [{"a": one}, {"a": other, "b": one}, {"a": one, "c": other}, {"a": one, "b": one}]
    assert base not in [ragdock_manifest.checksum(each) for each in changed]


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    """Missing, longer, or changed with the same length."""
    root = tmp_path / "source"
    root.mkdir()
    for name in ("same", "gone", "longer", "changed"):
        (root / name).write_text(f"{name}\n")
    entries = [ragdock_manifest.file_entry(path) for path in ragdock_manifest.files_below(root)]
    assert ragdock_manifest.compare_files(entries) == []
    (root / "gone").unlink()
    (root / "longer").write_text("longer\n\n")
    (root / "changed").write_text("chAnged\n")
    wrong = ragdock_manifest.compare_files(entries)
    assert [line.split("/")[-1].split()[0] for line in wrong] == ["changed", "gone", "longer"]


@pytest.mark.parametrize("key", ["documents", "checksum", "mappings_meta"])
def test_indices_that_differ_are_named(key: str) -> None:
    """In count, content or embedding contract."""
    manifest = {"indices": {"quest": INDEX}}
    assert ragdock_manifest.compare_indices(manifest, {"quest": dict(INDEX), "another": {}}) == []
    assert ragdock_manifest.compare_indices(manifest, {"quest": INDEX | {key: "other"}})
    assert ragdock_manifest.compare_indices(manifest, {}) == ["index quest is missing"]


def test_a_manifest_of_another_format_is_refused_with_what_to_do() -> None:
    """An older or newer release must not guess."""
    text = ragdock_manifest.write({"id": "x"})
    assert ragdock_manifest.read(text) == {"format": ragdock_manifest.FORMAT, "id": "x"}
    with pytest.raises(ManifestError, match="restore with the release that made the backup"):
        ragdock_manifest.read(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ManifestError, match="not JSON"):
        ragdock_manifest.read(text[:20])
