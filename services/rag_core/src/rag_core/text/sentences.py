"""Splits text into sentences, for chunk boundaries and for citations."""

from __future__ import annotations

import re

_END = re.compile(
    r"(?<=[.!?])[\"')\]\u201d\u2019]*\s+(?=[\"'(\[\u201c\u2018]?[A-Z0-9\u00c0-\u00de`])|(?<=[\u3002\uff01\uff1f])|\n+"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Fig|Eq|Dr|Mr|Mrs|Ms|Prof|No|pp?|ch|sec)\.|\b[A-Z]\.)$", re.I
)

_LONGEST_ABBREVIATION = 8  # characters, including what precedes it


def split(text: str) -> list[str]:
    """Return the sentences in order, without blank ones; joined by spaces they restore the text."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        # Check only the last word: else "A. A. A. ..." would be read again and again from its beginning.
        before = text[max(start, end.start() - _LONGEST_ABBREVIATION) : end.end()]
        if "\n" not in end.group() and _ABBREVIATION.search(before.rstrip()):
            continue
        piece = text[start : end.end()]
        if piece.strip():
            found.append(piece.strip())
        start = end.end()
    if text[start:].strip():
        found.append(text[start:].strip())
    return found
