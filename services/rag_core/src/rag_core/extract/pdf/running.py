"""Running headers, footers and printed page numbers, which repeat at the top or bottom of page after page.

Only two kinds of line are running: one whose exact text repeats on neighbouring pages, and one in which only
a page number changes along with the pages. Everything else at the top or bottom belongs to the page: totals,
dates, numbers of invoices and exhibits. The first of each kind of running line stays in the document.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rag_core.extract.pdf.line import Line

_REPEATS = 3
_HEADER_ROWS = 3  # of a table that is a page's header
_LEAST_LINES = 5  # on a page; a shorter one is not searched
_LONGEST = 300  # characters of a running line
_PLACES = 200  # steps from the top of a page to its bottom
_MARGIN = 0.15  # of the page's height
_DENSE = 0.75  # least share of the pages from the first to the last, or of every second one
_WORD = r"(?:page|pages|pg\.?|p\.|sheet|folio|seite|s\.|blatt|p[áa]gina|p[áa]g\.?|strana|стр\.?|第)"
_ROMAN = re.compile(r"m{0,3}(?:c[md]|d?c{0,3})(?:x[cl]|l?x{0,3})(?:i[xv]|v?i{0,3})", re.I)
# A number where page numbers are: alone, after "page", after a bar or a dash, before "of 9" or "/9".
_AFTER_WORD = re.compile(rf"(?:^|(?<=\W)){_WORD}\s{{0,3}}(\d{{1,5}}|[ivxlcdm]{{1,9}})(?![\da-z])", re.I)
_AFTER_SIGN = re.compile(r"(?:^|[|\u00b7\u2022\u2013\u2014,]|\s-)\s{0,3}(\d{1,5})(?=\s*(?:$|/\s*\d|of\s+\d))")
_BEFORE_SIGN = re.compile(r"^(\d{1,5})\s{0,3}(?:[|\u00b7\u2022\u2013\u2014]|-\s)")
_OF_ALL = re.compile(r"^\W*(\d{1,5})\s?/\s?\d{1,5}\W*$")
_ALONE = re.compile(r"^\W*(\d{1,5}|[ivxlcdm]{1,9})\W*$", re.I)
_NUMBERS = re.compile(r"\d+")
_PURE = re.compile(rf"(?:{_WORD.replace('.', '')})?#(?:(?:of|von|de|sur|di|van|из)?\d{{1,5}})?页?", re.I)


@dataclass(frozen=True, slots=True)
class Kept:
    """The lines of a page that are its own, and running lines found for the first time."""

    lines: list[Line]
    above: list[Line] = field(default_factory=list)
    below: list[Line] = field(default_factory=list)


class Running:
    """The running lines of a document of `pages` pages, learnt from windows of neighbouring pages."""

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._running: set[str] = set()
        self._met: set[str] = set()
        self.left_out = 0

    def learn(self, window: Sequence[list[Line]], first: int) -> None:
        """Find the running lines of a window of pages; `first` is the number of its first page."""
        met: dict[str, set[int]] = defaultdict(set)
        counted: set[str] = set()
        shapes: dict[str, set[str]] = defaultdict(set)
        for number, lines in enumerate(window, first):
            for side, i in _rim(lines):
                text = _text(lines[i])
                for key in self._counting(lines[i], side, number):
                    met[key].add(number)
                    counted.add(key)
                if _at_margin(lines[i]):
                    key = _place(side, lines[i]) + text
                    met[key].add(number)
                    shapes[_place(side, lines[i]) + _NUMBERS.sub("#", text)].add(key)
        often = {key for key, numbers in met.items() if len(numbers) >= _REPEATS}
        self._running = often & counted
        for texts in shapes.values():
            # If lines that differ only in their numbers do not all repeat, the numbers are content.
            if texts <= often:
                self._running |= {one for one in texts if _dense(met[one])}

    def without(self, lines: list[Line], number: int, heading: Callable[[Line], bool]) -> Kept:
        """Return what page `number` keeps; a line like a `heading` is only removed if it repeats exactly."""
        drop: dict[int, str] = {}
        for side, i in _rim(lines):
            keys = [] if heading(lines[i]) else list(self._counting(lines[i], side, number))
            keys.append(_place(side, lines[i]) + _text(lines[i]))
            found = next((key for key in keys if key in self._running), None)
            if found is not None:
                drop[i] = found
        above, below = list[Line](), list[Line]()
        for i, key in sorted(drop.items()):
            self.left_out += 1
            text = key.partition(":")[2]
            if text not in self._met and not _page_number(text):
                self._met.add(text)
                self.left_out -= 1
                (above if key[0] == "t" else below).append(lines[i])
        return Kept([line for i, line in enumerate(lines) if i not in drop], above, below)

    def _counting(self, line: Line, side: str, number: int) -> Iterator[str]:
        """Yield, for each possible page number, the line without it and its offset from the real number."""
        text = _text(line)
        for start, end, worded in _labels(line, text):
            printed, sign = _value(text[start:end])
            # Years and ticket numbers may also increase with the pages, by chance.
            if printed and (worded or sign == "i" or printed <= self._pages):
                yield f"{_place(side, line)}{text[:start]}#{text[end:]}\0{sign}{number - printed}"


def _place(side: str, line: Line) -> str:
    """Return a key for the place of a line: a running line is at the same place on each page."""
    return f"{side}{'' if line.share is None else round(line.share * _PLACES)}:"


def _at_margin(line: Line) -> bool:
    """Whether a line is where headers and footers are; for a line read by OCR the place is unknown."""
    return line.share is None or not _MARGIN < line.share < 1 - _MARGIN


def _text(line: Line) -> str:
    return line.text.strip() if len(line.rows) <= _HEADER_ROWS else "\0" + line.text


def _rim(lines: Sequence[Line]) -> Iterator[tuple[str, int]]:
    """Yield (side, index) of the lines that a page begins and ends with, at most three each."""
    if len(lines) < _LEAST_LINES:
        return
    deep = min(3, (len(lines) - 1) // 2)
    for i in range(deep):
        for side, place in (("t", i), ("b", len(lines) - 1 - i)):
            if len(lines[place].text) <= _LONGEST:
                yield side, place


def _labels(line: Line, text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the start and end of each possible page number, and whether a word such as "page" precedes it."""
    seen: set[int] = set()
    for rule in (_AFTER_WORD, _ALONE, _AFTER_SIGN, _BEFORE_SIGN, _OF_ALL):
        if (found := rule.search(text)) and found.start(1) not in seen:
            seen.add(found.start(1))
            yield found.start(1), found.end(1), rule is _AFTER_WORD
    for number in line.apart:
        start = 0 if text.startswith(number) else len(text) - len(number)
        if start not in seen and (text.startswith(number) or text.endswith(number)):
            yield start, start + len(number), False


def _value(label: str) -> tuple[int, str]:
    """Return a page number's value and its kind; 0 when it is none."""
    if label.isdecimal():
        return int(label), "1"
    if not _ROMAN.fullmatch(label):
        return 0, "i"
    signs = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}[c] for c in label.lower()]
    following = [*signs[1:], 0]
    return sum(-a if a < b else a for a, b in zip(signs, following, strict=True)), "i"


def _page_number(key: str) -> bool:
    """Whether a running line contains nothing but the page number."""
    return bool(_PURE.fullmatch(re.sub(r"[^\w#]+", "", key.partition("\0")[0])))


def _dense(numbers: set[int]) -> bool:
    """Whether the pages are consecutive, or every second one: a line that repeats now and then is text."""
    step = 2 if len({number % 2 for number in numbers}) == 1 else 1
    return len(numbers) >= _DENSE * ((max(numbers) - min(numbers)) // step + 1)
