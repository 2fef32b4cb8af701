"""The intermediate form of a page: lines of text, with tables among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import NamedTuple

WORD = re.compile(r"[^\W\d_]{2}")
_HYPHEN = re.compile(r"[\x02\ufffe\u00ad](?:\r?\n)?")
# Pdfium recognises and marks the soft hyphen and "-" at a line's end; the others it leaves as they are.
_OTHER_HYPHEN = re.compile(r"(?<=[^\W\d_])[\u2010\u2011][ \t]?(?=\r?\n[^\W\d_])")
_LISTED = re.compile(r" \.\.\. \S{1,20}(?: \S{1,20})?$")
_HYPHENS = "-\u2010\u2011"
_MARKED = "\x02\ufffe\u00ad"
_MARKS = "-.,;:!?()[]\"'\u2018\u2019\u201c\u201d"
_PARTED = re.compile(r"([^\W\d_]{1,40})[\x02\ufffe\u00ad](?:\r?\n)?([^\W\d_]{1,40})")
# Up to the end of a line; a hyphenated word continues on the next.
_LINE = re.compile(r"(?:[\x02\ufffe\u00ad](?:\r?\n)?|[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029])+")


class Face(NamedTuple):
    """The type of letters: their size on the page in points, and whether they are bold."""

    size: float
    bold: bool


@dataclass(slots=True)
class Line:
    """A line of text, or a whole table; `level` is a heading's depth from 1, 0 for everything else.

    `face` is None if it was not determined: the document has an outline, or the text comes from a picture.
    `y` is the height of its base line above the bottom of the page in points. `rows` are a table's cells,
    `columns` its borders from left to right in points; a table's `text` is that of all its cells. `place` is
    where it begins in the page's text. For lines at the top and bottom of a page, `apart` are numbers at the
    line's ends that wide blanks separate from its words, and `share` is its height on the page, from 0 to 1.
    """

    text: str
    face: Face | None = None
    y: float = 0.0
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    columns: tuple[float, ...] = ()
    place: int = -1
    apart: tuple[str, ...] = ()
    share: float | None = None


def places(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line of pdfium's text that is not blank, with the place of its first letter."""
    for match in _LINE.finditer(text):
        raw = match.group().lstrip()
        if raw:
            yield match.end() - len(raw), raw.rstrip()


def marked(text: str) -> str:
    """Put pdfium's own mark at each hyphen at a line's end that it does not recognise."""
    return _OTHER_HYPHEN.sub("\x02", text) if "\u2010" in text or "\u2011" in text else text


def compounds(text: str) -> set[str]:
    """Return the words that are spelled with a hyphen, in lower case."""
    if not any(hyphen in text for hyphen in _HYPHENS):
        return set()
    words = text.lower().replace("\u2010", "-").replace("\u2011", "-").split()
    return {word.strip(_MARKS) for word in words if "-" in word}


def whole(raw: str, known: Set[str] = frozenset()) -> str:
    """Remove the hyphens of words divided at a line's end, except in words `known` to have one."""
    if not any(mark in raw for mark in _MARKED):
        return raw
    if known:
        raw = _PARTED.sub(lambda m: m[0] if f"{m[1]}-{m[2]}".lower() not in known else f"{m[1]}-{m[2]}", raw)
    return _HYPHEN.sub("", raw)


def listed(line: str) -> bool:
    """Whether a line is from a price list or a table of contents: dots lead to a number."""
    return _LISTED.search(line) is not None
