"""Selects what the model reads of the passages: all of them when they fit, else the best sentences.

A part that is left out is marked. The sentences are those that `quoting.ranked` puts first, in document
order; citations are still checked against the whole passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rag_core.answering import prompt
from rag_core.answering.quoting import SENTENCES, Ranked
from rag_core.models import Passage
from rag_core.support import stretches

_LEFT_OUT = "\u2026"
_CELL = " | "


@dataclass(slots=True)
class _Reading:
    """A passage and the sentences chosen from it."""

    passage: Passage
    around: int  # tokens of the title and the mark above it
    starts: list[int] = field(default_factory=list)  # where each sentence begins; last, the end of the text
    sizes: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    chosen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, passage: Passage) -> _Reading:
        text = passage.text
        sentences = stretches.located(text)
        starts = [start for start, _, _ in sentences] + [len(text)]
        pieces = [text[start:end] for start, end in pairwise(starts)]
        return cls(
            passage,
            prompt.around(passage),
            starts,
            [prompt.tokens(prompt.defused(piece)) for piece in pieces],
            [re.sub(r"\W+", "", piece.casefold()) for piece in pieces],
        )

    def with_head(self, numbers: Sequence[int]) -> list[int]:
        """Return the sentences, with the table's head for each table row among them."""
        heads = []
        for number in numbers:
            first = number
            while first and all(_CELL in self._sentence(row) for row in (first, first - 1)):
                first -= 1
            heads.append(first)
        return sorted({*heads, *numbers})

    def touches(self, numbers: Sequence[int]) -> bool:
        """Whether one of these is directly next to a sentence that is already chosen."""
        beside = {number + step for number in numbers for step in (-1, 1)}
        return bool(beside & self.chosen)

    def _sentence(self, number: int) -> str:
        return self.passage.text[self.starts[number] : self.starts[number + 1]]

    def shown(self) -> Passage:
        """Return the passage with only the chosen sentences."""
        parts: list[str] = []
        last = -1
        for number in sorted(self.chosen):
            if number != last + 1:
                parts.append(f"{_LEFT_OUT} ")
            parts.append(self._sentence(number))
            if not parts[-1][-1].isspace():
                parts.append(" ")
            last = number
        if last != len(self.keys) - 1:
            parts.append(_LEFT_OUT)
        return self.passage.model_copy(update={"text": "".join(parts).strip()})


def excerpts(
    ranks: Sequence[Ranked], passages: Sequence[Passage], most: int, room: int
) -> tuple[list[Passage], list[Passage]]:
    """Return the passages as the model reads them, best first, and the same passages in full.

    `ranks` belong to these passages. Their texts have at most `most` tokens in total; with titles and marks
    they fit into `room`.
    """
    whole = prompt.fitting(passages, most, room)
    if len(whole) == len(passages) and all(a.text == b.text for a, b in zip(whole, passages, strict=True)):
        return whole, whole
    readings = [_Reading.of(passage) for passage in passages]
    said: set[str] = set()
    mark = 2 * prompt.tokens(f" {_LEFT_OUT} ")  # before and after
    for one in ranks:
        reading = readings[one.place]
        run = range(one.number, min(one.number + SENTENCES, len(reading.keys)))
        # If both sentences do not fit, one of them may.
        for numbers in (run, run[:1], run[1:]):
            new = [
                number
                for number in reading.with_head(numbers)
                if number not in reading.chosen and reading.keys[number] not in said
            ]
            if not any(number in numbers for number in new):
                continue
            size = sum(reading.sizes[number] for number in new)
            size += 0 if reading.touches(new) else mark
            with_title = size + (0 if reading.chosen else reading.around)
            if size > most or with_title > room:
                continue
            reading.chosen.update(new)
            said.update(reading.keys[number] for number in new)
            most -= size
            room -= with_title
            break
    given = [reading for reading in readings if reading.chosen]
    if not given:
        # No sentence fits: the beginning of the best passage is better than nothing.
        return whole, list(passages[: len(whole)])
    return [reading.shown() for reading in given], [reading.passage for reading in given]
