"""Runs of sentences in a passage, word for word, each with its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rag_core.models import Passage
from rag_core.support import clauses
from rag_core.text import sentences


@dataclass(frozen=True)
class Stretch:
    """Consecutive sentences of a passage."""

    passage: Passage
    text: str
    page_start: int
    page_end: int

    @cached_property
    def words(self) -> frozenset[str]:
        """The content words of the sentences and of the headings above them."""
        return clauses.content(f"{self.passage.title} {self.text}")


def of(passage: Passage, most: int) -> list[Stretch]:
    """Return every run of `most` sentences; a shorter passage is one run."""
    found = located(passage.text)
    runs = []
    for first in range(max(1, len(found) - most + 1)):
        run = found[first : first + most]
        if run:
            text = _joined(run)
            first_page, last_page = _page(passage, run[0][0]), _page(passage, run[-1][1] - 1)
            runs.append(Stretch(passage, text, first_page, last_page))
    return runs


def located(text: str) -> list[tuple[int, int, str]]:
    """Return each sentence with its beginning and end."""
    found: list[tuple[int, int, str]] = []
    at = 0
    for sentence in sentences.split(text):
        start = text.find(sentence, at)
        start = start if start >= 0 else at
        at = start + len(sentence)
        found.append((start, at, sentence))
    return found


def _joined(run: Sequence[tuple[int, int, str]]) -> str:
    """Return the sentences as they follow each other; only the white space between is shortened.

    Some languages have none there.
    """
    parts = [run[0][2]]
    for (_, end, _), (start, _, sentence) in pairwise(run):
        parts += [" " if end < start else "", sentence]
    return "".join(parts)


def _page(passage: Passage, offset: int) -> int:
    page = passage.page_start
    for start, number in passage.page_marks:
        if start <= offset:
            page = number
    return page
