"""Fuses three searches into one ranking, by their scores and not by ranks alone.

Ranks say little: a first hit may lead by far or barely, and a passage that is 30th in two searches beats the
first of one. So scores are added: shares of the best score for words and identifiers, the cosine itself for
meaning. A question that is near to nothing, as in a language that the embedder does not know, is then decided
by its words. Measured in docs/decisions/0096-scores-not-places.md.
"""

from __future__ import annotations

from collections.abc import Sequence

# Weights of a cosine of 1, and of the best passage by identifiers; the best by words weighs 1.
_MEANING = 6.0
_IDENTIFIERS = 0.5
# A search is sure if its first score is this many times its second.
_SURE = 1.3
# The lowest rank for the hit that a search is sure of.
_PLACE = 2

Leg = Sequence[tuple[str, float]]  # what one search found, best first, with its scores


def fused(
    words: Leg, identifiers: Leg, meaning: Leg, *, most: int, says_all: bool = False
) -> dict[str, float]:
    """Return everything found with its fused score, best first; the scores of `meaning` are cosines.

    What a search did not find gets the score of its last hit, since it only returned `most`. A search by
    words that returned fewer found everything, so the rest gets 0. A hit that leads by far by words is ranked
    among the first two in any case, if it `says_all` that the question asks.
    """
    scores = dict.fromkeys((found for leg in (words, identifiers, meaning) for found, _ in leg), 0.0)
    for leg, weight in ((words, 1.0), (identifiers, _IDENTIFIERS)):
        if leg:
            _add(scores, leg, weight / leg[0][1], rest=leg[-1][1] if len(leg) >= most else 0.0)
    if meaning:
        _add(scores, meaning, _MEANING, rest=meaning[-1][1])
    order = sorted(scores.items(), key=lambda one: -one[1])
    if says_all and len(words) > 1 and words[0][1] >= _SURE * words[1][1]:
        place = next(n for n, (found, _) in enumerate(order) if found == words[0][0])
        if place >= _PLACE:
            order.insert(_PLACE - 1, order.pop(place))
    return dict(order)


def _add(scores: dict[str, float], leg: Leg, weight: float, *, rest: float) -> None:
    """Add a search's scores; `rest` is the score for what it did not find."""
    own = dict(leg)
    for found in scores:
        scores[found] += weight * own.get(found, rest)
