"""Words that carry meaning: which a text has, which a question asks for."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:[._\-/][^\W_]+)*", re.UNICODE)
# What ends an identifier in running text; the index cuts at the same signs (search_schema).
_CUT = re.compile("[\\s,;(){}\\[\\]<>\"'`\u2018\u2019\u201c\u201d|]+")
_ODD = re.compile(r"[^\W\d_](?=[A-Z])|^[A-Z]{3,}$|[\W\d_]")
_CALLED = re.compile(r"([\w.]+)\(")
_STOP = frozenset(
    """
    a about according also am an and answer any are as at be been but by can could describe did do
    document documents does e.g explain for from had has have how i i.e if in into is it its may me
    mentions might more most my no not of on one only or other our passage passages please provided
    question should so some states such tell than that the their them then there these they this those
    to was we were what when where which while who why will with would you your
    """.split()  # noqa: SIM905 - a list would take a page
)


def words(text: str) -> frozenset[str]:
    """Content words, cut to their stems roughly, so that plurals and tenses still meet."""
    return frozenset(_stem(word.lower()) for word in content(text))


def content(text: str) -> list[str]:
    """Content words as they are written, each once, in their order."""
    found = (match.group() for match in _WORD.finditer(text))
    return list(dict.fromkeys(word for word in found if word.lower() not in _STOP))


def without_stop_words(question: str) -> str:
    """The question for a search by words; itself when it has nothing but stop words."""
    kept = [token for token in question.split() if token.lower().strip("?!.,:;") not in _STOP]
    return " ".join(kept) or question


def identifiers(question: str) -> list[str]:
    """What is meant as it is written: `read.table`, `--no-ff`, `work_mem`, `ORIG_HEAD`, a lone word."""
    tokens = [token.rstrip(".:!?=").lstrip(":!?=") for token in _CUT.split(question)]
    tokens = [token for token in tokens if token]
    called = set(_CALLED.findall(question))
    named = [token for token in tokens if token in called or (len(token) > 1 and _ODD.search(token))]
    return named or (tokens if len(tokens) == 1 else [])


def spans(text: str, question: str) -> list[tuple[int, int]]:
    """Where words of the question stand in a text, for highlighting."""
    asked = words(question)
    return [m.span() for m in _WORD.finditer(text) if _stem(m.group().lower()) in asked]


def _stem(word: str) -> str:
    if not word.isalpha() or len(word) < 5:
        return word
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
