"""Finds the sentences that answer best as soon as the search is done, before a model reads anything.

They are shown as quotes, and the model reads what `ranked` puts first (see answering.excerpting). They are
chosen by what the search already knows: how rare each word of the question is, which passage came first, and
how near each is. No model is asked and nothing is embedded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rag_core.models import Passage, Quote
from rag_core.support import stretches
from rag_core.support.stretches import Stretch
from rag_core.text import cutting
from rag_core.text.words import words

_QUOTES = 3
SENTENCES = 2  # per run: the answer often follows the sentence that has the question's words
LONGEST = 400  # characters of one quote
_LEAST_WORDS = 3  # content words; a shorter sentence is a heading or a label
# Value of the best sentence of a passage that has none of the question's words.
_NO_WORD = 0.25
# How much each rank below the first passage reduces the value.
_PLACE = 0.15
# Quotes below this share of the best quote's value are left out.
_ENOUGH = 0.6


class Ranked(NamedTuple):
    """A run of sentences: its value, the rank of its passage, its number within that, and what to quote."""

    value: float
    place: int
    number: int
    quoted: Stretch


def quotes(ranks: Sequence[Ranked]) -> tuple[Quote, ...]:
    """Return up to three quotes, best first, at most one per passage."""
    best: dict[int, Ranked] = {}
    for one in ranks:
        best.setdefault(one.place, one)
    first = list(best.values())
    return tuple(_quote(one.quoted) for one in first[:_QUOTES] if one.value >= _ENOUGH * first[0].value)


def ranked(query: str, passages: Sequence[Passage], held: Mapping[str, int]) -> list[Ranked]:
    """Return every run of sentences of the passages, best first.

    `held` counts the chunks that hold each telling word of the question, as `Found.words` does.
    """
    weights = _weights(query, held)
    found = []
    for place, passage in enumerate(passages):
        above = words(passage.title)
        single = stretches.of(passage, 1)
        for number, run in enumerate(stretches.of(passage, SENTENCES)):
            value = _value(words(run.text), above, weights) / (1 + _PLACE * place)
            quoted = _quotable(run, single[number : number + SENTENCES], above, weights)
            found.append(Ranked(value, place, number, quoted))
    return sorted(found, key=lambda one: -one.value)


def _weights(query: str, held: Mapping[str, int]) -> dict[str, float]:
    """Weight each stem of the question: the fewer chunks hold it, the higher its weight."""
    counted = {stem: 1 / math.log2(2 + chunks) for word, chunks in held.items() for stem in words(word)}
    # Words that the search does not count, such as the "s" of "package's", decide nothing.
    weights = counted or dict.fromkeys(words(query), 1.0)
    whole = sum(weights.values())
    return {stem: weight / whole for stem, weight in weights.items()}


def _value(said: frozenset[str], above: frozenset[str], weights: Mapping[str, float]) -> float:
    """Return the value of a run by its words and those of the title above it."""
    if len(said) < _LEAST_WORDS:
        return 0.0
    shared = sum(weight for stem, weight in weights.items() if stem in said)
    shared += sum(weight for stem, weight in weights.items() if stem in above and stem not in said) / 2
    return _NO_WORD + shared


def _quotable(
    run: Stretch, alone: Sequence[Stretch], above: frozenset[str], weights: Mapping[str, float]
) -> Stretch:
    """Return what to quote of a run: the better sentence if both are too long, as a cut may lose it."""
    if len(run.text) <= LONGEST:
        return run
    return max(alone, key=lambda one: _value(words(one.text), above, weights))


def _quote(run: Stretch) -> Quote:
    passage = run.passage
    return Quote(
        text=cutting.shortened(run.text, LONGEST),
        document_id=passage.document_id,
        document=passage.document,
        title=passage.title,
        page_start=run.page_start,
        page_end=run.page_end,
    )
