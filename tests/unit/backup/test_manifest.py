"""A manifest notices every difference, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.manifests import ManifestError

INDEX: dict[str, Any] = {"documents": 2, "checksum": "c", "mappings_meta": {"embedding": {"dimension": 384}}}


def test_the_checksum_depends_on_ids_and_contents_only() -> None:
    """The order in which documents are read and the order of their fields do not matter."""
    one = manifests.content_hash({"text": "ä", "ordinal": 1})
    same = manifests.content_hash({"ordinal": 1, "text": "ä"})
    other = manifests.content_hash({"ordinal": 2, "text": "ä"})
    assert one == same != other
    base = manifests.checksum({"a": one, "b": other})
    assert base == manifests.checksum({"b": other, "a": one})
    changed = [{"a": one}, {"a": other, "b": one}, {"a": one, "c": other}, {"a": one, "b": one}]
    assert base not in [manifests.checksum(each) for each in changed]


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    """Missing, longer, or changed with the same length."""
    root = tmp_path / "source"
    root.mkdir()
    for name in ("same", "gone", "longer", "changed"):
        (root / name).write_text(f"{name}\n")
    entries = [
        {"path": str(path), "size": path.stat().st_size, "sha256": manifests.hash_file(path)}
        for path in manifests.files_below(root)
    ]
    assert manifests.compare_files(entries) == []
    (root / "gone").unlink()
    (root / "longer").write_text("longer\n\n")
    (root / "changed").write_text("chAnged\n")
    wrong = manifests.compare_files(entries)
    assert [line.split("/")[-1].split()[0] for line in wrong] == ["changed", "gone", "longer"]


@pytest.mark.parametrize("key", ["documents", "checksum", "mappings_meta"])
def test_indices_that_differ_are_named(key: str) -> None:
    """In count, content or embedding contract."""
    manifest = {"indices": {"quest": INDEX}}
    assert manifests.compare_indices(manifest, {"quest": dict(INDEX), "another": {}}) == []
    assert manifests.compare_indices(manifest, {"quest": INDEX | {key: "other"}})
    assert manifests.compare_indices(manifest, {}) == ["index quest is missing"]


def test_a_manifest_of_another_format_is_refused_with_what_to_do() -> None:
    """An older or newer release must not guess."""
    text = manifests.write({"id": "x"})
    assert manifests.read(text) == {"format": manifests.FORMAT, "id": "x"}
    with pytest.raises(ManifestError, match="restore with the release that made the backup"):
        manifests.read(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ManifestError, match="not JSON"):
        manifests.read(text[:20])
