"""Completes a follow-up question from the conversation, by simple rules.

`How do I undo it?` finds nothing by itself. A question that depends on the previous one is searched together
with it; any other question is searched as it is. For why no model does this, see
docs/decisions/0056-follow-ups.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_core.text.words import identifiers, topics

_POINTS = re.compile(
    r"\b(it|its|they|them|their|this|these|those|he|she|him|her|his)\b"
    r"|\b(does|do|is|was|did|about|like|after|before|with|without|for|of) that\b|\bthat( one)?\s*[?.!]*$"
    r"|\bthe (other|same|first|second|last|former|latter)( one)?\s*[?.!]*$",
    re.I,
)
_GOES_ON = re.compile(r"^\s*(and|but|or|so|then|also|what about|how about|why|why not|really)\b", re.I)
# The words for it, this, that, why, and in Chinese, Japanese and Korean, which put no blanks between words.
_POINTS_CJK = re.compile(
    "\u5b83|\u4ed6|\u5979|\u8fd9|\u9019|\u90a3|\u6b64|\u4e3a\u4ec0\u4e48|\u70ba\u4ec0\u9ebc|^\u8fd8\u6709"
    "|\u305d\u308c|\u3053\u308c|\u305d\u306e|\u3053\u306e|\u306a\u305c|^\u305d\u3057\u3066"
    "|\uadf8\uac83|\uc774\uac83|^\uc65c|^\uadf8\ub9ac\uace0"
)
_MOST_CHARS = 600
_MOST_STEPS = 3


def leans(question: str) -> bool:
    """Whether the question cannot be understood alone."""
    if any(one.search(question) for one in (_POINTS, _GOES_ON, _POINTS_CJK)):
        return True
    # One or two words name no topic, unless one is an identifier.
    return topics(question) < 2 and not any(not one.isalpha() for one in identifiers(question))


def standalone(question: str, history: Sequence[tuple[str, str]]) -> str:
    """Return the question as it is searched, with the earlier questions that it depends on."""
    parts = [question]
    for asked, _ in reversed(history[-_MOST_STEPS:]):
        if not leans(parts[0]):
            break
        parts.insert(0, asked)
    whole = " ".join(parts)
    return whole if len(whole) <= max(_MOST_CHARS, len(question)) else question
