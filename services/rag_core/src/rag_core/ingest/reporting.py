"""Builds a document's reading report from the notes of its parser."""

from __future__ import annotations

from collections import Counter

from rag_core.extract import Note
from rag_core.models import ReadingReport

# A report is shown to users and stored with each document: further lines are only counted.
MOST_LINES = 100
MOST_CHARS = 500


class Reporting:
    """Collects the notes of one document."""

    def __init__(self) -> None:
        self._parts: Counter[str] = Counter()
        self._remarks: dict[str, None] = {}
        self._unread: dict[str, None] = {}
        self._more = 0

    def add(self, note: Note) -> None:
        """Count a part that was read; keep the message of one that was not, or that has a remark."""
        if note.read and note.count:
            self._parts[note.part.value] += note.count
        if note.message or not note.read:
            self._keep(note)

    def report(self, *, words: int = 0, words_lost: int = 0) -> ReadingReport:
        """Return the report so far."""
        return ReadingReport(
            parts=dict(self._parts),
            remarks=tuple(self._remarks),
            unread=tuple(self._unread),
            more=self._more,
            words=words,
            words_lost=words_lost,
        )

    def _keep(self, note: Note) -> None:
        lines = self._remarks if note.read else self._unread
        line = note.message[:MOST_CHARS] or f"a {note.part.value} could not be read"
        if line in lines:
            return
        if len(self._remarks) + len(self._unread) < MOST_LINES:
            lines[line] = None
        elif not note.read and self._remarks:
            # Unread parts have priority over remarks on what was read.
            self._remarks.popitem()
            lines[line] = None
            self._more += 1
        else:
            self._more += 1
