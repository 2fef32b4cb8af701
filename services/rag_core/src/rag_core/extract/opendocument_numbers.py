"""Automatic numbers of OpenDocument's lists and headings ("3.2", "(a)"), which the file stores as styles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag_core.extract.opendocument_names import STYLE, TEXT, Source, number

# The attribute that holds a paragraph's label in the tree once it is computed.
LABEL = "{urn:ragdock}label"
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
    (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MOST_LEVELS = 10
_Levels = dict[int, Any]


def label(source: Source) -> None:
    """Store each numbered paragraph's label on it, in document order."""
    styles = {
        str(style.get(f"{STYLE}name")): _levels(style, f"{TEXT}list-level-style-number")
        for root in (source.styles, source.content)
        for style in root.iter(f"{TEXT}list-style")
    }
    outline = next(
        (_levels(one, f"{TEXT}outline-level-style") for one in source.styles.iter(f"{TEXT}outline-style")), {}
    )
    headings, before = _Counter(outline), _Counter({})
    for one in source.content.iter(f"{TEXT}list", f"{TEXT}h"):
        inner = next((True for _ in one.iterancestors(f"{TEXT}list")), False)
        if inner:
            continue
        if one.tag == f"{TEXT}list":
            levels = styles.get(str(one.get(f"{TEXT}style-name")), {})
            goes_on = one.get(f"{TEXT}continue-numbering") == "true" or one.get(f"{TEXT}continue-list")
            before = _Counter(levels, before.counts if goes_on else None)
            _list(one, before, 1)
        elif outline and one.get(f"{TEXT}is-list-header") != "true":
            _mark(one, headings.next(number(one.get(f"{TEXT}outline-level"), 1)))


class _Counter:
    """The current number of each level."""

    def __init__(self, levels: _Levels, counts: dict[int, int] | None = None) -> None:
        self.counts = dict(counts or {})
        self._levels = levels

    def next(self, level: int, start: int | None = None) -> str:
        """Return the label of the next item of a level; empty when it has none."""
        style = self._levels.get(level)
        begin = number(style.get(f"{TEXT}start-value"), 1) if style is not None else 1
        self.counts[level] = start if start is not None else self.counts.get(level, begin - 1) + 1
        for deeper in [one for one in self.counts if one > level]:
            del self.counts[deeper]
        if style is None or not style.get(f"{STYLE}num-format"):
            return ""
        shown = min(number(style.get(f"{TEXT}display-levels"), 1), level)
        written = ".".join(self._written(one) for one in range(level - shown + 1, level + 1))
        return f"{style.get(f'{STYLE}num-prefix') or ''}{written}{style.get(f'{STYLE}num-suffix') or ''}"

    def _written(self, level: int) -> str:
        style = self._levels.get(level)
        return _format(
            self.counts.get(level, 1), style.get(f"{STYLE}num-format") if style is not None else "1"
        )


def _list(part: Any, counter: _Counter, level: int) -> None:
    if level > _MOST_LEVELS:
        return
    for item in part.iterchildren(f"{TEXT}list-item"):
        text = item.find(f"{TEXT}p") if item.find(f"{TEXT}p") is not None else item.find(f"{TEXT}h")
        if text is not None:
            start = item.get(f"{TEXT}start-value")
            _mark(text, counter.next(level, number(start, 1) if start else None))
        for inner in item.iterchildren(f"{TEXT}list"):
            _list(inner, counter, level + 1)


def _mark(paragraph: Any, text: str) -> None:
    if text:
        paragraph.set(LABEL, text)


def _levels(style: Any, tag: str) -> _Levels:
    return {number(one.get(f"{TEXT}level"), 0): one for one in style.iterchildren(tag)}


def _format(value: int, form: str | None) -> str:
    match form:
        case "a" | "A" if value > 0:
            letters = "".join(_letters(value))
            return letters if form == "a" else letters.upper()
        case "i" | "I" if 0 < value < 4000:
            written = ""
            for worth, sign in _ROMAN:
                written += sign * (value // worth)
                value %= worth
            return written if form == "i" else written.upper()
    return str(value)


def _letters(value: int) -> Iterator[str]:
    if value > 26:
        yield from _letters((value - 1) // 26)
    yield chr(ord("a") + (value - 1) % 26)
