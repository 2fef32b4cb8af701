"""Content words: those that a text has, and those that a question asks for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Letters and the marks on them: vowels of Arabic and Thai, accents written apart.
_LETTERS = "(?:[^\\W_]|[\u0300-\u036f\u064b-\u065f\u0670\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])+"
_WORD = re.compile(f"{_LETTERS}(?:[._\\-/]{_LETTERS})*", re.UNICODE)
# What ends an identifier in running text; the index splits at the same characters (index.schema).
_CUT = re.compile("[\\s,;(){}\\[\\]<>\"'`\u2018\u2019\u201c\u201d|]+")
_ODD = re.compile(r"[^\W\d_](?=[A-Z])|^[A-Z]{3,}$|[\W\d_]")
_CALLED = re.compile(r"(?<![\w.])([\w.]+)\(")
# Scripts without blanks between words, and Korean, whose particles are attached: split into pairs.
_CJK = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\u0e00-\u0e7f]+"
)
_CJK_ENDS = "\u3002\uff01\uff1f\uff0c\u3001\uff1a\uff1b"
# As OpenSearch's german_normalization: ae, oe, and ue unless it follows a vowel or q.
_TWO_LETTERS = re.compile(r"([ao]|(?<![aeiouyq])u)e")
_ONE_SPELLING = str.maketrans(
    {
        "\u0153": "oe",
        "\u00e6": "ae",
        "\u00f8": "o",
        "\u0142": "l",
        "\u0640": "",
        "\u0649": "\u064a",
        "\u06cc": "\u064a",
        "\u06a9": "\u0643",
    }
)
# Cache size: the same words occur again and again, except very long ones.
_WORDS_KEPT = 1 << 15
_LONGEST_KEPT = 40
STOP = frozenset(
    """
    a about according also am an and answer any are as at be been but by can could describe did do
    document documents does e.g explain for from had has have how i i.e if in into is it its may me
    mentions might more most my no not of on one only or other our passage passages please provided
    question should so some states such tell than that the their them then there these they this those
    to was we were what when where which while who why will with would you your
    """.split()  # noqa: SIM905 - a list would take a page
)


def words(text: str) -> frozenset[str]:
    """Return the content words, roughly stemmed, so that plurals and tenses match."""
    return frozenset(_root(word) for word in content(unicodedata.normalize("NFKC", text)))


def content(text: str) -> list[str]:
    """Return the content words as written, each once, in order."""
    return list(dict.fromkeys(word for word, _, _ in tokens(text) if word.lower() not in STOP))


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield every word with its place; Chinese, Japanese and Korean as pairs of characters."""
    for found in _WORD.finditer(text):
        if found[0].isascii():
            yield found[0], *found.span()
            continue
        at = found.start()
        for run in _CJK.finditer(text, *found.span()):
            yield from _other(text, at, run.start())
            at = run.end()
            for first in range(run.start(), max(run.start() + 1, at - 1)):
                last = min(first + 2, at)
                yield text[first:last], first, last
        yield from _other(text, at, found.end())


def _other(text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    for part in _WORD.finditer(text, start, end):
        yield part.group(), *part.span()


def folded(text: str) -> str:
    """Fold to lower case without marks, one spelling per word, as the index does (index.analysis).

    Umlauts equal their two letters (`Ueberpruefung`), half-width characters their full-width ones, and Arabic
    words their bare letters.
    """
    text = unicodedata.normalize("NFKD", text).casefold()
    if text.isascii():
        return _TWO_LETTERS.sub(lambda found: found[1], text)
    bare = "".join(sign for sign in text if not unicodedata.combining(sign) or "\u3099" <= sign <= "\u309a")
    return _TWO_LETTERS.sub(
        lambda found: found[1], unicodedata.normalize("NFC", bare.translate(_ONE_SPELLING))
    )


def topics(text: str) -> int:
    """Count a text's content words; two characters of a script without blanks count as one."""
    found = content(text)
    pairs = sum(1 for word in found if _CJK.match(word))
    return len(found) - pairs + (pairs + 1) // 2


def without_stop_words(question: str) -> str:
    """Return the question for a search by words; unchanged if it has only stop words."""
    kept = [token for token in question.split() if token.lower().strip("?!.,:;") not in STOP]
    return " ".join(kept) or question


def identifiers(question: str) -> list[str]:
    """Return the terms to match as written: `read.table`, `--no-ff`, `work_mem`, `ORIG_HEAD`, a lone word."""
    apart = _CJK.sub(" ", question).translate(dict.fromkeys(map(ord, _CJK_ENDS), " "))
    cut = [token.rstrip(".:!?=").lstrip(":!?=") for token in _CUT.split(apart)]
    found = [token for token in cut if token]
    called = set(_CALLED.findall(question))
    named = [token for token in found if token in called or (len(token) > 1 and _ODD.search(token))]
    return named or (found if len(found) == 1 else [])


def spans(text: str, question: str) -> list[tuple[int, int]]:
    """Return where words of the question are in a text, for highlighting; overlapping pairs are merged."""
    asked = words(question)
    found: list[tuple[int, int]] = []
    for word, start, end in tokens(text):
        if _root(word) not in asked:
            continue
        if found and start < found[-1][1]:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _root(word: str) -> str:
    return _kept_root(word) if len(word) <= _LONGEST_KEPT else _stem(folded(word))


@lru_cache(maxsize=_WORDS_KEPT)
def _kept_root(word: str) -> str:
    return _stem(folded(word))


def _stem(word: str) -> str:
    if not word.isalpha() or len(word) < 5:
        return word
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
