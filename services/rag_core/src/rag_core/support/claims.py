"""Checks what a sentence claims beyond its words: numbers and negations.

Two sentences that share all words may still say the opposite. A number or a negation that the source lacks is
a claim of its own, and so is the omission of a negation that the source has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag_core.text import sentences
from rag_core.text.words import words

# Not a digit inside an identifier (`utf8`, `sha-256`); a unit may follow directly (`40bar`).
_NUMBER = re.compile(
    r"(?<![^\W_])(?<![^\W\d_]-)[vV]?"
    r"(\d{1,3}(?:[\u0020\u00a0\u202f'\u2019]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*)"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[\s.,'\u2019]\d{3})+")
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety hundred"
_NAMED = {word: n for n, word in enumerate(_SMALL.split())}
_NAMED |= {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_NAMED |= {"thousand": 1000}
# These may mean something else ("one can", "a second"): they count as numbers in a source, not in a claim.
_AMBIGUOUS = {"one": 1, "first": 1, "second": 2, "third": 3, "both": 2, "twice": 2}
_NAME = rf"(?:{'|'.join(_NAMED)})"
_NAMES = re.compile(rf"\b{_NAME}(?:(?:\s+and\s+|\s+|-){_NAME})*\b", re.I)

# Not the "no" of `--no-ff`.
_NEGATION = re.compile(
    r"(?<![\w-])(?:not|never|cannot|neither|nor|none|nobody|nothing|nowhere|without|no"
    r"|nicht|kein\w*|nie|pas|jamais)(?![\w-])"
    r"|n['\u2019]t\b|[\u4e0d\u6ca1\u6c92\u7121\u65e0\u672a]|\u306a\u3044|\uc54a",
    re.I,
)
# "No, ..." answers a question, "no more than 40" and "not only" negate nothing, "No. 5" is a number; the
# Chinese ones mean different, but, only, future.
_NO_NEGATION = re.compile(
    r"^\W*(?:no|nein|non)\s*[,.:;!\u2013\u2014-]|\bno\.\s*\d|\bor not\b|\bnot (?:only|just)\b"
    r"|\bnot? (?:more|less|fewer|later|earlier|over|under)(?: than)?\b"
    r"|\u4e0d(?:\u540c|\u4ec5|\u50c5|\u4f46|\u8fc7|\u904e|\u65ad)|\u672a[\u6765\u4f86]",
    re.I,
)
# Other words for "not"; the first ones say that something must not or cannot be.
_FORBIDS = r"forb[ia]d\w*|prohibit\w*|banned|impossible|refus\w+|avoid(?:s|ed|ing)?"
_DENIES = (
    r"den(?:y|ies|ied)|reject\w*|fail(?:s|ed|ing|ure)?|lack(?:s|ed|ing)?|absent|missing|prevent\w*|disabl\w+"
    r"|ignor\w+|omit\w*|skip\w*|invalid|illegal|incorrect|inactive|non-\w+|non(?!e|sense)[a-z]{4,}"
    # Not under, until, unit, union, unique, unicode, uniform, universe, uncle.
    r"|un(?!der|til|less|cle|i[cfoqstv])[a-z]{4,}|ohne|sans|sin|senza"
)
_FORBIDDING = re.compile(rf"\b(?:{_FORBIDS})\b", re.I)
_DENYING = re.compile(rf"\b(?:{_FORBIDS}|{_DENIES})\b", re.I)
_CLAUSE = re.compile(
    r"[,;:](?=\s)|[()\u2013\u2014\u3001\uff0c\uff1b\uff1a]"
    r"|\b(?:and|but|because|although|while|whereas|when|if|unless|until|so that)\b",
    re.I,
)


def supported(sentence: str, source: str) -> bool:
    """Whether the source has every number of the sentence, and the same negations."""
    held = _held(source)
    if not all(ways & held for ways in _claimed(sentence)):
        return False
    clauses = [(words(clause), clause) for clause in _clauses(source)]
    for clause in _clauses(_NO_NEGATION.sub(" ", sentence)):
        meant = words(clause)
        most = max((len(meant & other) for other, _ in clauses), default=0)
        near = [text for other, text in clauses if len(meant & other) == most]
        if (most or _negated(clause)) and not any(_agree(clause, text, meant) for text in near):
            return False
    return True


def numbers(sentence: str) -> int:
    """Return how many numbers a sentence claims."""
    return sum(1 for _ in _claimed(sentence))


def without_numbers(text: str) -> str:
    """Return the text without numbers, which are compared by value and not by spelling."""
    return _NAMES.sub(lambda found: " " if _surely(found) else found[0], _NUMBER.sub(" ", text))


def _agree(clause: str, source: str, meant: frozenset[str]) -> bool:
    """Whether both negate or both affirm; a double negation ("not forbidden") affirms."""
    denies, source_denies = bool(_DENYING.search(clause)), bool(_DENYING.search(source))
    source_negated = _negated(source, meant)
    if _negated(clause):
        return denies != (source_negated != source_denies)
    if denies:
        return not (source_negated and source_denies)
    return source_negated == source_denies or not (source_negated or _FORBIDDING.search(source))


def _negated(clause: str, meant: frozenset[str] = frozenset()) -> bool:
    """Whether the clause negates something: one of the words meant, if any are given.

    A negation applies to what follows: "rewrites the table with no extra space" negates the space, not the
    table.
    """
    clause = _NO_NEGATION.sub(" ", clause)
    found = _NEGATION.search(clause)
    if found is None:
        return False
    denied = words(clause[found.end() :])
    return not (found[0].isascii() and meant and denied) or bool(denied & meant)


def _clauses(text: str) -> list[str]:
    return [
        clause
        for sentence in sentences.split(text)
        for clause in _CLAUSE.split(sentence)
        if clause and not clause.isspace()
    ]


def _claimed(sentence: str) -> Iterator[set[str]]:
    """Yield each number of a claim, as the set of its possible readings."""
    for digits in _NUMBER.finditer(sentence):
        yield _read(digits[1])
    for named in _NAMES.finditer(sentence):
        if _surely(named):
            yield {_value(named)}


def _held(text: str) -> set[str]:
    """Return all possible readings of a source's numbers; `1 000` may be two numbers."""
    found = {
        reading
        for digits in _NUMBER.finditer(text)
        for number in (digits[1], *re.split(r"[\s'\u2019]", digits[1]))
        for reading in _read(number)
    }
    found |= {_value(named) for named in _NAMES.finditer(text)}
    return found | {str(_AMBIGUOUS[word]) for word in re.findall(r"\w+", text.lower()) if word in _AMBIGUOUS}


def _surely(named: re.Match[str]) -> bool:
    return named[0].lower() not in _AMBIGUOUS


def _value(named: re.Match[str]) -> str:
    """Convert `two hundred and five` to 205."""
    total = current = 0
    for name in re.findall(r"[a-z]+", named[0].lower()):
        value = _NAMED.get(name, 0)
        if value < 100:
            current += value
        else:
            current = max(current, 1) * value
        if value == 1000:
            total, current = total + current, 0
    return str(total + current)


def _read(number: str) -> set[str]:
    """Return the possible readings of a number: `1.000` is a thousand in some locales and one in others."""
    ways = {_plain(number.replace(",", "."))}
    if _THOUSANDS.fullmatch(number):
        ways.add(_plain(re.sub(r"\D", "", number)))
    # Thousands separators and a fraction: `1,234.5`, `1.234,5`.
    mixed = re.fullmatch(r"(\d{1,3}(?:[\s.,'\u2019]\d{3})+)([.,])(\d+)", number)
    if mixed and mixed[2] not in mixed[1]:
        ways.add(_plain(re.sub(r"\D", "", mixed[1]) + "." + mixed[3]))
    return ways


def _plain(number: str) -> str:
    """Drop insignificant zeros."""
    whole, dot, part = number.partition(".")
    part = part if "." in part else part.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{dot if part else ''}{part}"
