"""Reads a file for a test: sniffs and parses it in this process."""

from __future__ import annotations

from pathlib import Path

from rag_core.extract import Block, Head, Item, Note
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.extract.sniff import sniff


def read(path: Path) -> tuple[str, list[Note]]:
    """Return all text of a file, and the notes of its reading report."""
    items: list[Item] = list(guarded(path, sniff(path, path.name), 50, Recognition(None)))
    assert isinstance(items[0], Head)
    text = "\n".join(one.text for one in items if isinstance(one, Block))
    return text, [one for one in items if isinstance(one, Note)]


def unread(notes: list[Note]) -> list[str]:
    """What the report says was not read."""
    return [one.message for one in notes if not one.read]
