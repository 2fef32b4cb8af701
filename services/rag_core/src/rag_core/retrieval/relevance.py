"""Decides whether the documents hold anything on a question: by cosine, by words, and by unknown words.

A sentence embedding places nonsense near anything that looks as odd, above all pages of program code. So the
more words of a question are in no document, the nearer a passage must be. For the figures behind the numbers,
see docs/decisions/0055-relevance.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rag_core.models import Frozen, Passage
from rag_core.retrieval.naming import naming
from rag_core.text.words import content, words

_SPELLED = 5  # least letters of a word that may match with one typing error
# Thai is split by a dictionary in the index but by pairs here, so its words cannot be counted.
_THAI = re.compile("[\u0e00-\u0e7f]")
# Share of a question's content words that a passage must contain to count without being near.
_SAID = 0.6
# Below this share of the nearest passage's cosine, a passage is about something else.
_FAR = 0.5
_COUNTED = 48  # most words of a question looked up; the longest question is a page of text


class Verdict(Frozen):
    """Whether the passages bear on the question, and why."""

    relevant: bool
    needed: float  # cosine required of the nearest passage
    nearest: float | None  # cosine of the nearest passage
    unknown: tuple[str, ...]  # words of the question that are in no document


def telling(question: str) -> list[str]:
    """Return the question's words that count as known or unknown: no single letters, no numbers."""
    found = [
        word
        for word in content(question)
        if not word.isdigit() and (len(word) > 1 or not word.isascii()) and not _THAI.match(word)
    ]
    return found[:_COUNTED]


def judge(
    question: str,
    passages: Sequence[Passage],
    held: Mapping[str, int],
    *,
    threshold: float,
    unknown_raise: float,
) -> Verdict:
    """Judge the passages; `held` counts the chunks that contain each telling word of the question."""
    unknown = tuple(word for word, chunks in held.items() if chunks == 0)
    needed = threshold + unknown_raise * (len(unknown) / len(held) if held else 0.0)
    nearest = _nearest(passages)
    if all(p.vector_rank is None for p in passages):
        relevant = bool(passages)  # the embedder is down: without cosines nothing is withheld
    else:
        near = nearest is not None and nearest >= needed
        relevant = near or any(mentions(passage, question) for passage in passages)
    return Verdict(relevant=relevant, needed=needed, nearest=nearest, unknown=unknown)


def bearing(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages that bear on the question, best first, without mere fillers of the result list.

    A small model writes about whatever it is given, and each passage costs time before the first word. Kept
    are passages at least half as near as the nearest, and those that contain the question's words. If none
    has a cosine, all are kept.
    """
    nearest = _nearest(passages)
    if nearest is None:
        return list(passages)
    far = _FAR * nearest
    kept = [
        p for p in passages if (p.similarity is not None and p.similarity >= far) or mentions(p, question)
    ]
    return kept or list(passages[:1])


def _nearest(passages: Sequence[Passage]) -> float | None:
    """Return the cosine of the nearest passage; None if none has one."""
    return max((p.similarity for p in passages if p.similarity is not None), default=None)


def mentions(passage: Passage, question: str) -> bool:
    """Whether the passage has most content words of the question: several, an identifier, or the only one."""
    if naming(question, {passage.document_id: passage.document}).certain:
        return True
    asked = {word for word in words(question) if not _slight(word)}
    if not asked:
        return _says_signs(passage, question)
    held = words(f"{passage.title} {passage.text}")
    shared = {word for word in asked if word in held or any(_akin(word, other) for other in held)}
    alone = len(question.split()) == 1
    tells = alone or len(shared) >= 2 or any(_identifier(word) for word in shared)
    return bool(shared) and tells and len(shared) >= _SAID * len(asked)


def _says_signs(passage: Passage, question: str) -> bool:
    """Whether a question of symbols alone, such as a language's operator, is in the passage."""
    signs = [sign for sign in question.split() if len(set(sign)) > 1 and not any(c.isalnum() for c in sign)]
    return bool(signs) and all(sign in passage.text for sign in signs)


def _akin(word: str, other: str) -> bool:
    """Whether a word is the other with one typing error, or a part of it, as the index finds both."""
    if not (len(word) >= _SPELLED and word.isalpha() and other.isalpha()):
        return False
    if len(word) > _SPELLED and len(other) > len(word) + 2:
        return word in other
    return word[0] == other[0] and abs(len(word) - len(other)) <= 1 and _one_error(word, other)


def _one_error(word: str, other: str) -> bool:
    """Whether one insertion, deletion, substitution or transposition of letters makes them equal."""
    start = next((n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), None)
    if start is None:
        return True
    mine, others = word[start:], other[start:]
    swapped = mine[:2] == others[1::-1] and mine[2:] == others[2:]
    return mine[1:] == others[1:] or mine[1:] == others or mine == others[1:] or swapped


def _slight(word: str) -> bool:
    """Whether it is a single letter or a small number, which are everywhere."""
    return (len(word) == 1 and word.isascii()) or (len(word) < 3 and word.isdigit())


def _identifier(word: str) -> bool:
    return len(word) > 2 and not word.isalpha()
