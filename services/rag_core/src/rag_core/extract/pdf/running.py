"""Running headers, footers and printed page numbers: what stands at the rim of page after page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rag_core.extract.pdf.line import Line

_REPEATS = 3
_HEADER_ROWS = 3  # of a table that is a page's header
_OUTER_NUMBER = re.compile(r"^(\d{1,5})\b|\b(\d{1,5})$")
_PAGE_NUMBER = re.compile(
    r"^[\s\-\u2013]*(?:page\s*)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d{1,5})?[\s\-\u2013]*$", re.I
)


class Running:
    """What runs through a window of neighbouring pages, of which the first has the number `first`."""

    def __init__(self, window: Sequence[list[Line]], first: int) -> None:
        shapes = Counter(shape for lines in window for shape in {_shape(lines[i]) for i in _edges(lines)})
        self._shapes = {shape for shape, times in shapes.items() if times >= _REPEATS}
        self._texts = Counter(line.text for lines in window for line in lines)
        # Distances that stay the same from page to page: those numbers are printed page numbers.
        seen = Counter(
            offset
            for number, lines in enumerate(window, first)
            for offset in {o for _, o in _labels(lines, number)}
        )
        self._offsets = {offset for offset, times in seen.items() if times >= _REPEATS}

    def without(self, lines: list[Line], number: int, heading: Callable[[Line], bool]) -> list[Line]:
        """The lines of page `number` that are its own.

        "3.8 Release 4.1" over one page and "3.9 Release 4.2" over the next differ in their numbers only: a
        line that looks like a `heading` runs only if its very text comes again.
        """
        drop = {
            i
            for i in _edges(lines)
            if _PAGE_NUMBER.match(lines[i].text)
            or (
                _shape(lines[i]) in self._shapes and (self._texts[lines[i].text] > 1 or not heading(lines[i]))
            )
        }
        drop |= {
            i for i, offset in _labels(lines, number) if offset in self._offsets and not heading(lines[i])
        }
        return [line for i, line in enumerate(lines) if i not in drop]


def _shape(line: Line) -> str:
    """A line without its numbers; a longer table with them, for months of figures differ in nothing else."""
    if len(line.rows) > _HEADER_ROWS:
        return line.text
    return re.sub(r"\d+", "#", line.text.lower()).strip()


def _edges(lines: list[Line]) -> list[int]:
    return sorted({0, 1, len(lines) - 2, len(lines) - 1} & set(range(len(lines)))) if len(lines) > 4 else []


def _labels(lines: list[Line], number: int) -> Iterator[tuple[int, int]]:
    """(line, distance to the real page number) of numbers at the rim of the first and last line."""
    for i in (0, len(lines) - 1) if len(lines) > 4 else ():
        if lines[i].rows:
            continue
        for found in _OUTER_NUMBER.finditer(lines[i].text):
            yield i, number - int(found.group(1) or found.group(2))
