"""What a sentence claims beyond its words: its numbers, and that something is not so.

Two sentences that share all words may still say the opposite. A number or a negation that the source lacks
makes a claim of its own.
"""

from __future__ import annotations

import re

from rag_core import sentences
from rag_core.words import words

# Not a digit inside an identifier (`utf8`, `sha-256`); a unit may follow at once (`40bar`).
_NUMBER = re.compile(
    r"(?<![^\W_])(?<![^\W\d_]-)[vV]?"
    r"(\d{1,3}(?:[\u0020\u00a0\u202f'\u2019]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*)"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[\s.,'\u2019]\d{3})+")
_SPELLED = re.compile(r"[^\W\d_]+")
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety hundred"
_NAMED = {word: str(n) for n, word in enumerate(_SMALL.split())}
_NAMED |= {word: str(10 * n) for n, word in enumerate(_TENS.split(), 2)}
_NAMED |= {"first": "1", "second": "2", "third": "3", "both": "2", "twice": "2", "thousand": "1000"}

_NOT = (
    r"\b(?:not|never|cannot|neither|nor|none|nobody|nothing|nowhere|without|no"
    r"|nicht|kein\w*|nie|pas|jamais)\b"
)
_NEGATION = re.compile(
    rf"{_NOT}|n['\u2019]t\b|[\u4e0d\u6ca1\u6c92\u7121\u65e0\u672a]|\u306a\u3044|\uc54a", re.I
)
# "no more than 40" and "not only" deny nothing; "No. 5" is a number.
_NO_NEGATION = re.compile(
    r"\bno\.\s*\d|\bnot? (?:more|less|fewer|later|earlier|over|under)\b|\bnot (?:only|just)\b", re.I
)
# Other words for "not" that a source may use.
_DENIES = re.compile(
    r"\b(?:forbid\w*|forbidden|prohibit\w*|ban(?:ned|s)|refus\w+|den(?:y|ies|ied)|reject\w*|fail\w*|lack\w*|absent|"
    r"missing|avoid\w*|prevent\w*|except|unless|instead|rather|only|until|disabl\w+|ignor\w+|omit\w*|"
    r"skip\w*|stop\w*|impossible|un[a-z]{4,}|no[nt]\w*|ohne|sans|sin|senza)\b",
    re.I,
)


def supported(sentence: str, source: str) -> bool:
    """Whether the source has every number of the sentence, and denies something when the sentence does."""
    held = _readings(source) | {_NAMED[word] for word in _SPELLED.findall(source.lower()) if word in _NAMED}
    if not all(_read(found[1]) & held for found in _NUMBER.finditer(sentence)):
        return False
    return not negated(sentence) or any(
        negated(near) or _DENIES.search(near) for near in _nearest(sentence, source)
    )


def negated(sentence: str) -> bool:
    """Whether it says that something is not so."""
    return bool(_NEGATION.search(_NO_NEGATION.sub(" ", sentence)))


def _nearest(sentence: str, source: str) -> list[str]:
    """The sentences of the source that share most words with this one."""
    said = words(sentence)
    shared = [(len(said & words(one)), one) for one in sentences.split(source)]
    most = max((many for many, _ in shared), default=0)
    return [one for many, one in shared if many == most]


def _readings(text: str) -> set[str]:
    """Each number of a text in every way it can be read; `1 000` may be two numbers."""
    return {
        reading
        for found in _NUMBER.finditer(text)
        for number in (found[1], *re.split(r"[\s'\u2019]", found[1]))
        for reading in _read(number)
    }


def _read(number: str) -> set[str]:
    """The ways a number can be read: `1.000` is a thousand to some and one to others."""
    ways = {_plain(number.replace(",", "."))}
    if _THOUSANDS.fullmatch(number):
        ways.add(_plain(re.sub(r"\D", "", number)))
    # A group of thousands and a fraction: `1,234.5`, `1.234,5`.
    mixed = re.fullmatch(r"(\d{1,3}(?:[\s.,'\u2019]\d{3})+)([.,])(\d+)", number)
    if mixed and mixed[2] not in mixed[1]:
        ways.add(_plain(re.sub(r"\D", "", mixed[1]) + "." + mixed[3]))
    return ways


def _plain(number: str) -> str:
    """Without zeros that say nothing."""
    whole, dot, part = number.partition(".")
    part = part if "." in part else part.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{dot if part else ''}{part}"
