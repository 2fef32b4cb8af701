"""What the model reads of the passages: all of them when they fit, else the sentences that answer best.

A part that was left out is marked. The sentences are those that `quoting.ranked` puts first, in the order of
their document; whoever checks an answer has the whole passages.
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
    """A passage, and which of its sentences are read."""

    passage: Passage
    around: int  # tokens of title and fences
    starts: list[int] = field(default_factory=list)  # where each sentence begins; the last one ends the text
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
        """The sentences; to a table's row belongs the table's head."""
        heads = []
        for number in numbers:
            first = number
            while first and all(_CELL in self._sentence(row) for row in (first, first - 1)):
                first -= 1
            heads.append(first)
        return sorted({*heads, *numbers})

    def touches(self, numbers: Sequence[int]) -> bool:
        """Whether these follow or precede one that is read already, with nothing left out between."""
        beside = {number + step for number in numbers for step in (-1, 1)}
        return bool(beside & self.chosen)

    def _sentence(self, number: int) -> str:
        return self.passage.text[self.starts[number] : self.starts[number + 1]]

    def shown(self) -> Passage:
        """The passage with the chosen sentences alone."""
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
    """What is read of the passages, best first, and the same passages whole; `ranks` are of these passages.

    Their texts have at most `most` tokens together; with titles and fences they fit into `room`.
    """
    whole = prompt.fitting(passages, most, room)
    if len(whole) == len(passages) and all(a.text == b.text for a, b in zip(whole, passages, strict=True)):
        return whole, whole
    readings = [_Reading.of(passage) for passage in passages]
    said: set[str] = set()
    mark = 2 * prompt.tokens(f" {_LEFT_OUT} ")  # before and behind
    for one in ranks:
        reading = readings[one.place]
        run = range(one.number, min(one.number + SENTENCES, len(reading.keys)))
        # Where both do not fit, one of them may.
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
            with_fences = size + (0 if reading.chosen else reading.around)
            if size > most or with_fences > room:
                continue
            reading.chosen.update(new)
            said.update(reading.keys[number] for number in new)
            most -= size
            room -= with_fences
            break
    given = [reading for reading in readings if reading.chosen]
    if not given:
        # No sentence fits: the beginning of the best passage is better than nothing.
        return whole, list(passages[: len(whole)])
    return [reading.shown() for reading in given], [reading.passage for reading in given]
