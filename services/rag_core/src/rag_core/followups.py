"""A follow-up question made whole from the conversation, by rules that a reader can follow.

`How do I undo it?` finds nothing by itself. A question that leans on the one before it is searched together
with it; any other question is searched as it stands. Why no model is asked: docs/decisions/0056.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_core.words import content, identifiers

_POINTS = re.compile(
    r"\b(it|its|they|them|their|this|these|those|he|she|him|her|his)\b"
    r"|\b(does|do|is|was|did|about|like|after|before|with|without|for|of) that\b|\bthat( one)?\s*[?.!]*$"
    r"|\bthe (other|same|first|second|last|former|latter)( one)?\s*[?.!]*$",
    re.I,
)
_GOES_ON = re.compile(r"^\s*(and|but|or|so|then|also|what about|how about|why|why not|really)\b", re.I)
_MOST_CHARS = 600
_MOST_STEPS = 3


def leans(question: str) -> bool:
    """Whether the question cannot be understood alone."""
    if _POINTS.search(question) or _GOES_ON.search(question):
        return True
    # A word or two name no topic, unless they are an identifier.
    return len(content(question)) < 2 and not any(not one.isalpha() for one in identifiers(question))


def standalone(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The question as it is searched, with the questions before it as far as it leans on them."""
    parts = [question]
    for asked, _ in reversed(history[-_MOST_STEPS:]):
        if not leans(parts[0]):
            break
        parts.insert(0, asked)
    whole = " ".join(parts)
    return whole if len(whole) <= max(_MOST_CHARS, len(question)) else question
