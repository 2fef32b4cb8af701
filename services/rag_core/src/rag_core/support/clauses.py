"""Checks each clause by itself: a sentence may join what a passage says with something it does not.

For the figures behind each number, see decision 0081.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_core.support import claims
from rag_core.text.words import words

# Narrow on purpose: what follows a comma, "if" or "because" says too little by itself.
_JOINT = re.compile(r";(?=\s)|\uff1b|\s(?:and|but|while|whereas)\b", re.I)
_LEAST = 3  # content words; a shorter piece is joined to the next one
_LONG = 5  # least content words of a long clause, which differs enough from its neighbours
# Least mean of the share of a clause's words in one sentence of a passage and of their cosine.
_ENOUGH = 0.5
_ENOUGH_SHORT = 0.2


def clauses(claim: str) -> list[str]:
    """Return the clauses that a sentence joins; none if it is a single one."""
    found: list[str] = []
    pieces: list[str] = []
    meant: set[str] = set()
    for piece in _JOINT.split(claim):
        pieces.append(piece)
        meant |= content(piece)
        if len(meant) >= _LEAST:
            found.append(_together(pieces))
            pieces, meant = [], set()
    if found and (rest := _together(pieces)):
        found[-1] += f" {rest}"
    return found if len(found) > 1 else []


def _together(pieces: list[str]) -> str:
    return " ".join(piece.strip() for piece in pieces).strip()


def nearest(clause: str, others: Sequence[frozenset[str]]) -> tuple[int, float]:
    """Return the index of the sentence with most of the clause's words, and their share."""
    meant = content(clause)
    shares = [len(meant & one) / len(meant) for one in others]
    best = max(range(len(others)), key=shares.__getitem__)
    return best, shares[best]


def holds(clause: str, share: float, likeness: float) -> bool:
    """Whether this share of words and this cosine are enough to support a clause."""
    return (share + likeness) / 2 >= _least(clause)


def sure(share: float, clause: str) -> bool:
    """Whether the words alone are enough, whatever the cosine."""
    return holds(clause, share, 0.0)


def content(text: str) -> frozenset[str]:
    """Return the words to compare; numbers are checked elsewhere (claims)."""
    return words(claims.without_numbers(text))


def _least(clause: str) -> float:
    return _ENOUGH if len(content(clause)) >= _LONG else _ENOUGH_SHORT
