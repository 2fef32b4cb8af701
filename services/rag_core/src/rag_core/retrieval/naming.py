"""Finds which documents a question names by their file name, and what else it asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from rag_core.models import Frozen
from rag_core.text.words import STOP, folded

_HUMP = re.compile(r"(?<=[^\W\d_])(?<![A-Z])(?=[A-Z])")
_PART = re.compile(r"[^\W_]+")
# The name continues: `my-report.pdf`, `report.pdf.gz`; letters of scripts without blanks do not join.
_JOINED_BEFORE = re.compile(r"[\w.\-]", re.ASCII)
_JOINED_AFTER = re.compile(r"\w|[.\-]\w", re.ASCII)
# Words of questions about a document as a whole.
_WHOLE = frozenset(
    """
    summarize summarise summary summarized sum up overview content contents outline gist file pdf paper show
    open read describe explain list key main points important topic topics text brief briefly short give
    """.split()  # noqa: SIM905 - a list would take a page
)


class Naming(Frozen):
    """A question that names documents."""

    certain: tuple[str, ...] = ()  # named with their extension, or nothing else is asked
    likely: tuple[str, ...] = ()  # the words of their names are in the question
    rest: str = ""  # the question without the names
    whole: bool = False  # the question is about the documents as a whole


def naming(question: str, names: Mapping[str, str]) -> Naming:
    """Find the named documents; `names` are those whose name shares words with the question, by id."""
    full = {identity: name for identity, name in names.items() if written(question, name)}
    named = {identity: name for identity, name in names.items() if identity not in full}
    likely = {identity: name for identity, name in named.items() if _spoken(question, name)}
    found = {**full, **likely}
    if not found:
        return Naming(rest=question)
    rest = _without(question, list(found.values()))
    whole = all(part in _WHOLE or part in STOP for part in parts(rest))
    if whole and not full:
        full, likely = likely, {}
    return Naming(certain=tuple(full), likely=tuple(likely), rest=rest or question, whole=whole)


def written(question: str, name: str) -> bool:
    """Whether the question contains the whole name, with its extension, as a separate word."""
    asked, called = folded(question), folded(name)
    place = asked.find(called)
    while place >= 0:
        before, after = asked[:place][-1:], asked[place + len(called) :]
        if not _JOINED_BEFORE.search(before) and not _JOINED_AFTER.match(after):
            return True
        place = asked.find(called, place + 1)
    return False


def parts(text: str) -> list[str]:
    """Split a name or a question into words, at symbols and where a capital begins one."""
    return [folded(part) for part in _PART.findall(_HUMP.sub(" ", text))]


def _spoken(question: str, name: str) -> bool:
    """Whether the question contains the name without extension: several words, or one with a number."""
    called, asked = parts(PurePath(name).stem), parts(question)
    if len(called) < 2 and not (called and any(c.isdigit() for c in called[0]) and len(called[0]) > 2):
        return False
    size = len(called)
    return any(asked[at : at + size] == called for at in range(len(asked) - size + 1))


def _without(question: str, names: Sequence[str]) -> str:
    """Return the question without the words of these names."""
    gone = {part for name in names for part in parts(name)}
    kept = [word for word in question.split() if not (found := parts(word)) or not gone.issuperset(found)]
    return " ".join(kept)
