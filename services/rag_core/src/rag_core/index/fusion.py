"""One ranking out of several searches: by rank, and by how far ahead a search puts its first ones.

Ranks alone lose what a search is sure of: a passage that leads BM25 by far and holds every word asked for
counts no more than one that leads by a hair, and a vector search that does not see it decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The usual constant of reciprocal rank fusion; 10, 20 and 60 made no difference that counts.
_RANK_CONSTANT = 60
# What the whole distance between the first and the last of a search weighs, in first places.
_LEAD = 0.5
# A first score so many times the second's: that search is sure.
_SURE = 1.3
# The last place for what a search is sure of.
_PLACE = 2

Leg = Sequence[tuple[str, float]]  # what one search found, best first, with its scores


def fused(legs: Sequence[Leg], *, sure: Leg = (), lead: float = _LEAD) -> dict[str, float]:
    """Every found thing with its fused score, best first.

    What `sure`, a search by words, puts first by far is among the first two, whatever the others say.
    """
    scores: dict[str, float] = {}
    for leg in legs:
        share = _shares(leg)
        for rank, (found, _) in enumerate(leg, 1):
            vote = 1 / (_RANK_CONSTANT + rank) + lead * share[found] / (_RANK_CONSTANT + 1)
            scores[found] = scores.get(found, 0.0) + vote
    order = sorted(scores.items(), key=lambda one: -one[1])
    if len(sure) > 1 and sure[0][1] >= _SURE * sure[1][1]:
        place = next(n for n, (found, _) in enumerate(order) if found == sure[0][0])
        if place >= _PLACE:
            order.insert(_PLACE - 1, order.pop(place))
    return dict(order)


def _shares(leg: Leg) -> Mapping[str, float]:
    """Where each score is between the lowest (0) and the highest (1) of its search."""
    if not leg:
        return {}
    highest, lowest = leg[0][1], leg[-1][1]
    span = highest - lowest
    return {found: (score - lowest) / span if span > 0 else 1.0 for found, score in leg}
