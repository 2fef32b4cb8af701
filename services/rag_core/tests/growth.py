"""Measures how a function's run time grows with its input, and builds worst-case inputs for patterns."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# Seconds of CPU time: a function that takes less at the large size is not quadratic.
_QUICK = 0.005
# For four times the input, linear takes 4 times as long and quadratic 16 times.
_MOST = 8.0
SIZE = 6000

_CATEGORIES = {
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: "-",
}


def seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread: other work on the machine does not count."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def superlinear(make: Callable[[int], object], size: int = SIZE, quick: float = _QUICK) -> str | None:
    """How the time of `make(n)()` grows too fast, or None. Starts small, since the time may explode."""
    for small in (12, 24, 48, size // 16):
        took = seconds(_made(make, small))
        if took > 1.0:
            return f"{took:.2f} s for {small}"
    if seconds(_made(make, size)) < quick:
        return None
    few, many = (min(seconds(_made(make, n)) for _ in range(3)) for n in (size, 4 * size))
    return f"{few:.4f} s for {size}, {many:.4f} s for {4 * size}" if many > _MOST * max(few, 1e-4) else None


def _made(make: Callable[[int], object], size: int) -> Callable[[], object]:
    work = make(size)
    assert callable(work)
    return work


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield a prefix, a unit to repeat and a suffix that fails, built from the pattern's own pieces."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    tree = parser.parse(text, flags & ~re.UNICODE)
    signs = list(dict.fromkeys(sign for sign in _signs(tree) if sign))[:14]
    bodies = list(dict.fromkeys(body for body in _bodies(tree) if body))[:10]
    units = list(dict.fromkeys([*signs, *bodies, *(a + b for a in signs[:5] for b in signs[:5] if a != b)]))
    example = _example(tree)
    beginnings = list(dict.fromkeys(["", example[:1], example[:-1], example]))
    for unit in units:
        for beginning in beginnings:
            yield beginning, unit, "\x00"
        yield "", unit, ""


def _signs(tree: Any) -> Iterator[str]:
    """Yield a character for each atom of the pattern."""
    for kind, value in tree:
        if kind in (op.LITERAL, op.NOT_LITERAL):
            yield chr(value) if kind is op.LITERAL else "a"
        elif kind is op.ANY:
            yield "a"
        elif kind is op.IN:
            yield from _members(value)
        else:
            for part in _parts(kind, value):
                yield from _signs(part)


def _members(value: Any) -> list[str]:
    """One or two characters of a class."""
    found: list[str] = []
    denied = value[0][0] is op.NEGATE
    for kind, member in value:
        if kind is op.LITERAL:
            found.append(chr(member))
        elif kind is op.RANGE:
            found.append(chr(member[0]))
        elif kind is op.CATEGORY:
            found.append(_CATEGORIES[member])
    if denied:
        return [next(sign for sign in "a1-\u00e9 \n" if sign not in found or len(found) > 5)]
    return found[:3]


def _bodies(tree: Any) -> Iterator[str]:
    """Yield an example of what each repeat or branch matches."""
    for kind, value in tree:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield _example(value[2])
        if kind is op.BRANCH:
            for branch in value[1]:
                yield _example(branch)
        for part in _parts(kind, value):
            yield from _bodies(part)


def _example(tree: Any) -> str:
    """A short text that the pattern matches, as far as that is easy to build."""
    text = ""
    for kind, value in tree:
        if kind is op.LITERAL:
            text += chr(value)
        elif kind in (op.NOT_LITERAL, op.ANY):
            text += "a"
        elif kind is op.IN:
            text += _members(value)[0]
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            text += _example(value[2]) * min(max(1, int(value[0])), 8)
        elif kind is op.BRANCH:
            text += _example(value[1][0])
        elif kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
            text += _example(value[3] if kind is op.SUBPATTERN else value)
    return text


def _parts(kind: Any, value: Any) -> list[Any]:
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind is op.BRANCH:
        return list(value[1])
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is op.ATOMIC_GROUP else []
