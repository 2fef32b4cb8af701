"""Chooses the model that writes: the user's choice, else simple rules on the question.

One rule per line; the first that matches decides. The other models are fallbacks for the first.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from rag_core.models import Frozen

_LONG_QUESTION = 30  # words
_HARD = re.compile(
    r"\b(compare|comparison|difference|differ|versus|vs|why|explain|summari[sz]e|summary|overview"
    r"|pros and cons|advantages?|step by step|relationship|implications?)\b",
    re.I,
)


class Route(Frozen):
    """The models to ask, in order, and the rule that chose this order."""

    models: tuple[str, ...]
    rule: str


def route(
    question: str, *, models: Sequence[str], large: str, chosen: str | None, remote: Container[str] = ()
) -> Route:
    """Choose the order; `models` are those of the settings, small ones first; `large` may be empty.

    Who chooses a model of this host may want the text to stay here: no `remote` one stands in for it.
    """
    if chosen is not None:
        others = models if chosen in remote else [one for one in models if one not in remote]
        return _first(chosen, others, "chosen by the asker")
    if not large or list(models) == [large]:
        return Route(models=tuple(models), rule="first model of the settings")
    if len(question.split()) > _LONG_QUESTION:
        return _first(large, models, f"large model: more than {_LONG_QUESTION} words")
    if _HARD.search(question):
        return _first(large, models, "large model: asks to compare, explain or sum up")
    return Route(models=tuple(models), rule="small model: a short question of fact")


def _first(model: str, models: Sequence[str], rule: str) -> Route:
    return Route(models=(model, *(one for one in models if one != model)), rule=rule)
