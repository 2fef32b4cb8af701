"""What a page is made of on its way to blocks: lines of text, and tables that stand among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

WORD = re.compile(r"[^\W\d_]{2}")
_HYPHEN = re.compile(r"[\x02\ufffe\u00ad](?:\r?\n)?")
# Up to the end of a line; a word parted there goes on in the next.
_LINE = re.compile(r"(?:[\x02\ufffe\u00ad](?:\r?\n)?|[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029])+")


class Face(NamedTuple):
    """How letters are set: their size on the page in points, and whether they are bold."""

    size: float
    bold: bool


@dataclass(slots=True)
class Line:
    """A line of text, or a whole table; `level` is a heading's depth from 1, 0 for everything else.

    `face` is None where nobody looked: the document has an outline, or the text comes from a picture. `y` is
    the height of its base line over the page's foot in points. `rows` are a table's cells, `columns` its
    borders from left to right in points; a table's `text` is that of all its cells.
    """

    text: str
    face: Face | None = None
    y: float = 0.0
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    columns: tuple[float, ...] = ()


def places(text: str) -> Iterator[tuple[int, str]]:
    """Each line of pdfium's text that is not blank, and the place of its first letter in the text."""
    for match in _LINE.finditer(text):
        raw = match.group().lstrip()
        if raw:
            yield match.end() - len(raw), raw.rstrip()


def whole(raw: str) -> str:
    """The line without the hyphen of a word that was parted at a line's end."""
    return _HYPHEN.sub("", raw)
