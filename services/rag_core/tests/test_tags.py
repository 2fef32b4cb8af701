"""Tags find documents, however they were typed."""

from pathlib import Path

import pytest

from rag_core.ledger.tags import MOST, Tags


@pytest.fixture
def tags(tmp_path: Path) -> Tags:
    return Tags(tmp_path / "ledger.sqlite3")


def test_tags_are_kept_in_one_spelling(tags: Tags, tmp_path: Path) -> None:
    assert tags.put("a", [" Field  Notes ", "field notes", "", "2026"]) == ("2026", "field notes")
    assert Tags(tmp_path / "ledger.sqlite3").of(["a", "b"]) == {"a": ("2026", "field notes")}


def test_new_tags_replace_the_old(tags: Tags) -> None:
    tags.put("a", ["one", "two"])
    tags.put("a", ["two"])
    assert tags.of(["a"]) == {"a": ("two",)}
    tags.put("a", [])
    assert tags.of(["a"]) == {}
    assert tags.of([]) == {}


def test_documents_are_found_by_part_of_a_tag(tags: Tags) -> None:
    tags.put("a", ["statistics"])
    tags.put("b", ["physics"])
    assert tags.holding("STAT") == ["a"]
    assert sorted(tags.holding("ics")) == ["a", "b"]
    assert tags.holding("%") == []


def test_number_and_length_are_bounded(tags: Tags) -> None:
    kept = tags.put("a", [f"{n:03d}" + "x" * 100 for n in range(50)])
    assert len(kept) == MOST
    assert max(map(len, kept)) == 40
