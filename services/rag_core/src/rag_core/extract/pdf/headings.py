"""Finds headings: by the outline when the document has one, else by their size and weight of type."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pypdfium2 as pdfium

from rag_core.extract.pdf.line import WORD, Line, listed
from rag_core.extract.pdf.scale import MAX_LEVEL, Scale

_NUMBERING = re.compile(
    r"^(?:chapter\s+|appendix\s+)?(?:\d+|[A-Z]\.\d+)(?:\.\d+)*[.:]?\s+|^appendix\s+[A-Z]\s+", re.I
)
_LETTERED = re.compile(r"^[A-Z]\s")
_MOST_LINES = 3  # more lines of large type are the text of a cover or a poster
_NUMBER = re.compile(r"(?<![\w.])(?:[A-Z]|\d{1,3})(?:\.\d{1,3})+\.?(?=\s)")
_NEAR = 1.6  # times the usual distance between lines, or the size of type
_APART = 1.25  # of the usual distance between lines
_UNFINISHED = (",", ";")
_NO_TITLE = re.compile(r"[.)\d]$")


def outline(document: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Page number -> headings that begin there, as (level, title)."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for bookmark in document.get_toc(max_depth=6):
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            title = bookmark.get_title().strip()
            if index is not None and title:
                found.setdefault(index + 1, []).append((bookmark.level + 1, title))
    except pdfium.PdfiumError:
        pass  # a broken outline costs headings, not the text
    return found


def key(text: str) -> str:
    """Normalise a text so that an outline's title and the line on its page are equal."""
    return re.sub(r"[\W_]+", "", _NUMBERING.sub("", text.strip()).lower())


def by_outline(lines: list[Line], titles: Sequence[tuple[int, str]]) -> list[Line]:
    """Return the page's lines with those in the outline as headings; a title that is no line heads the page.

    Where an outline says "A Sources", the page may have "Appendix A Sources".
    """
    waiting = {key(title): (level, title) for level, title in titles if key(title)}
    aliases = {key(f"Appendix {title}"): key(title) for _, title in titles if _LETTERED.match(title)}
    for line in lines:
        own = key(line.text)
        if not line.rows and (found := waiting.pop(aliases.get(own, own), None)):
            line.level = found[0]
    return [Line(title, level=level) for level, title in waiting.values()] + lines


def learnt(scale: Scale, window: Sequence[list[Line]], start: int) -> Scale:
    """Return the scale with the sizes in a window of pages; `start` is its first page, counted from 0."""
    return scale.also(
        line.face.size
        for index, lines in enumerate(window, start)
        for line in lines
        if line.face is not None and WORD.search(line.text) and not (scale.cover and index == 0)
    )


def likely(line: Line, titles: Sequence[tuple[int, str]], scale: Scale | None) -> bool:
    """Whether a line looks like a heading on its own, wherever it is."""
    if scale is not None and line.face is not None and scale.larger(line.face):
        return bool(WORD.search(line.text))
    return bool(titles) and key(line.text) in {key(title) for _, title in titles}


def by_type(lines: list[Line], scale: Scale) -> list[Line]:
    """Return the page's lines with headings found by size and weight; one over several lines is joined."""
    usual = _leading(lines)
    found: list[Line] = []
    for run in _runs(lines, scale, usual):
        first = run[0]
        if first.face is None or not _heads(run, found, scale, usual):
            found.extend(run)
            continue
        text = " ".join(line.text for line in run)
        level = max(scale.level(first.face), _numbered(text))
        found.append(Line(text, first.face, run[-1].y, level))
    return found


def _heads(run: list[Line], before: list[Line], scale: Scale, usual: float) -> bool:
    face, text = run[0].face, " ".join(line.text for line in run)
    if face is None or not scale.stands_out(face) or len(run) > _MOST_LINES:
        return False
    if (
        listed(text)
        or not WORD.search(text)
        or text.endswith(_UNFINISHED)
        or text.count(")") > text.count("(")
    ):
        return False
    if scale.larger(face):
        return True
    # Bold but no larger: so are terms, ends of declarations and table lines. A heading has space above it.
    apart = not before or before[-1].level > 0 or before[-1].y - run[0].y > _APART * usual
    small = next(filter(str.isalpha, text), "").islower()
    return apart and len(run) == 1 and not small and not _NO_TITLE.search(text)


def _numbered(text: str) -> int:
    """Return a heading's depth by its number: 2 for "3.1", 0 when it has none."""
    number = _NUMBER.match(text)
    return min(number.group().rstrip(".").count(".") + 1, MAX_LEVEL) if number else 0


def _runs(lines: list[Line], scale: Scale, usual: float) -> Iterator[list[Line]]:
    """Group prominent lines of the same type into runs; any other line is a run by itself."""
    run: list[Line] = []
    for line in lines:
        if run and not _goes_on(run[-1], line, scale, usual):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def _goes_on(above: Line, line: Line, scale: Scale, usual: float) -> bool:
    if above.face is None or line.face is None or above.face.size != line.face.size:
        return False
    alike = above.face == line.face or scale.larger(line.face)
    near = 0 < above.y - line.y < _NEAR * max(usual, line.face.size)
    return alike and scale.stands_out(line.face) and near and not _NUMBERING.match(line.text)


def _leading(lines: list[Line]) -> float:
    """Return the usual distance between lines in points; 0 when there is none."""
    steps = [a.y - b.y for a, b in pairwise(lines) if a.y > b.y and not b.rows]
    return statistics.median(steps) if steps else 0.0
