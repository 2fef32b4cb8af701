"""Shortens text in any language for people to read."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"  # between signs that are shown as one


def shortened(text: str, most: int) -> str:
    """Return the text, or its first `most` characters or somewhat fewer, with a mark where it is cut."""
    if len(text) <= most:
        return text
    # Not every language has blanks between words, so one is only looked for near the end.
    near = range(most, most - most // 5, -1)
    blanks = (at for at in near if text[at].isspace())
    signs = (at for at in near if not _joins(text[at]) and text[at - 1] != _JOINER)
    end = next(blanks, None) or next(signs, most)
    return f"{text[:end].rstrip()} …"


def _joins(sign: str) -> bool:
    """Whether a sign belongs to the one before it: an accent, a vowel sign, the colour of an emoji."""
    return unicodedata.category(sign) in ("Mn", "Mc", "Me", "Cs") or sign == _JOINER or "🏻" <= sign <= "🏿"
