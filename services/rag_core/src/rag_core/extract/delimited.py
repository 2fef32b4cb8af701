"""Delimited text (CSV and similar): which mark separates the values, and the rows of values."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MARKS = ",;\t"
_LINES = 50
# In a file whose name says that it is a table, a quoted cell may span many lines.
_NAMED_LINES = 400
_MOST_LINES = 1_000  # of one row; a quotation mark that is still open then is part of the text
# Spreadsheet programs write and honour this first line.
_SEPARATOR = re.compile(r'"?sep=(.)"?\s{0,20}', re.I)


@dataclass(frozen=True, slots=True)
class Form:
    """How the values are separated; `width` is the usual number of them in a row."""

    mark: str
    width: int


def declared(line: str) -> str | None:
    """Return the mark that a first line such as "sep=;" declares, if any."""
    found = _SEPARATOR.fullmatch(line.lstrip("\ufeff"))
    return found[1] if found else None


def form(text: str) -> Form | None:
    """Detect the form of a file named as a table: most rows have the mark, many the same number of it."""
    lines = text.splitlines(keepends=True)
    if lines and (mark := declared(lines[0])) is not None:
        widths = Counter(map(len, rows(lines[1 : _NAMED_LINES + 1], Form(mark, 0))))
        return Form(mark, widths.most_common(1)[0][0] if widths else 1)
    # The last line may be cut off at the end of the sample.
    kept = lines[:_NAMED_LINES] if len(lines) > _NAMED_LINES or len(text) < 60_000 else lines[:-1]
    best: tuple[int, int, int, str] | None = None
    for mark in (*_MARKS, "|"):
        if mark == "|" and sum(line.lstrip().startswith("|") for line in kept) * 2 > len(kept):
            continue  # a Markdown table
        widths = Counter(len(row) for row in rows(kept, Form(mark, 0)) if row)
        parted = {width: count for width, count in widths.items() if width > 1}
        if not parted:
            continue
        many = sum(parted.values())
        width = max(parted, key=lambda one: (parted[one], one))
        # Few lines come above the head; in a list of names or a letter most lines have no mark.
        if many * 2 > widths.total() and parted[width] * 3 >= many:
            best = max(best or (0, 0, 0, ""), (many, parted[width], width, mark))
    return Form(best[3], best[2]) if best else None


def is_table(text: str) -> bool:
    """Whether text whose name does not say so is a table: each line has the same number of values."""
    lines = text.splitlines()
    if lines and declared(lines[0]) is not None:
        return form(text) is not None
    lines = lines[: _LINES + 1]
    kept = "\n".join(lines[:-1] if len(lines) > _LINES or len(text) > 60_000 else lines)
    return any(_agrees(kept, mark) for mark in _MARKS)


def _agrees(text: str, mark: str) -> bool:
    try:
        found = [row for row in csv.reader(io.StringIO(text), delimiter=mark, strict=True) if row]
    except csv.Error:
        return False
    widths = {len(row) for row in found}
    least = 2 if mark == "\t" else 3
    return (
        len(found) >= 4
        and len(widths) == 1
        and widths.pop() >= least
        and all(len(cell) <= 300 for row in found for cell in row)
    )


def rows(lines: Iterable[str], how: Form) -> Iterator[list[str]]:
    """Yield rows of values; a stray quotation mark is part of the text and swallows no later rows.

    A blank line gives an empty row.
    """
    source = iter(lines)
    ahead: deque[str] = deque()
    while (first := ahead.popleft() if ahead else next(source, None)) is not None:
        taken = [first]
        whole = True

        def more(taken: list[str] = taken) -> Iterator[str]:
            nonlocal whole
            yield taken[0]
            while len(taken) < _MOST_LINES:
                line = ahead.popleft() if ahead else next(source, None)
                if line is None:
                    break
                taken.append(line)
                yield line
            whole = False

        row = next(csv.reader(more(), delimiter=how.mark), [])
        if len(taken) > 1 or not whole:
            plain = next(csv.reader(taken[:1], delimiter=how.mark, quoting=csv.QUOTE_NONE), [])
            if not whole or (len(plain) == how.width and not _is_strict(taken, how)):
                ahead.extendleft(reversed(taken[1:]))
                row = plain
        yield row


def _is_strict(lines: list[str], how: Form) -> bool:
    """Whether the lines are strictly valid as one row with the usual number of values."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=how.mark, strict=True)] == [how.width]
    except csv.Error:
        return False
