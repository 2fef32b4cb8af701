"""Measures how the time of a function grows with its input, and makes inputs that are bad for a pattern."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# Tried in this order. An explosion shows within the first few, a square at the last.
SIZES = (12, 18, 24, 60, 250, 1000, 4000)
# Of processor time, in seconds; only what takes more is compared.
_FLOOR = 0.003
# From one size to the next, about four times as large: linear takes 4 times as long, quadratic 16.
_MOST = 10.0
_ROUNDS = 4

_CATEGORIES = {
    op.CATEGORY_DIGIT: "1",
    op.CATEGORY_NOT_DIGIT: "a",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_SPACE: "a",
    op.CATEGORY_WORD: "a",
    op.CATEGORY_NOT_WORD: "-",
}


def superlinear(
    make: Callable[[int], Callable[[], object]], sizes: Sequence[int] = SIZES, floor: float = _FLOOR
) -> str | None:
    """What is wrong with how `make(n)()` grows; None when it is linear.

    From size to size, and no further than the first that takes long: a bad one costs little. Processor time,
    so that other work on the machine does not count, and the least of some runs before anything is said.
    """
    few, least = sizes[0], seconds(make(sizes[0]))
    for many in sizes[1:]:
        most = seconds(make(many))
        for _ in range(_ROUNDS):
            if most <= max(_MOST * least, floor):
                break
            least, most = max(least, seconds(make(few))), min(most, seconds(make(many)))
        if most > max(_MOST * least, floor):
            return f"{least:.4f} s for {few}, {most:.4f} s for {many}"
        if most > 3 * floor:
            return None
        few, least = many, most
    return None


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Beginning, what is repeated, and an end that fails: made of the pattern's own pieces."""
    said = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    tree = parser.parse(said, flags & ~re.UNICODE)
    signs = list(dict.fromkeys(sign for sign in _signs(tree) if sign))[:14]
    bodies = list(dict.fromkeys(body for body in _bodies(tree) if body))[:10]
    units = list(dict.fromkeys([*signs, *bodies, *(a + b for a in signs[:5] for b in signs[:5] if a != b)]))
    example = _example(tree)
    units = list(dict.fromkeys([*units, *(example[:end] for end in range(2, 7)), example]))
    beginnings = list(dict.fromkeys(["", example[:-1], example]))
    for unit in filter(None, units):
        for beginning in beginnings:
            yield beginning, unit, "\x00"
        yield "", unit, ""


def _signs(tree: Any) -> Iterator[str]:
    """A character for each atom."""
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
    """What a repeat repeats."""
    for kind, value in tree:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield _example(value[2])
        if kind is op.BRANCH:
            for branch in value[1]:
                yield _example(branch)
        for part in _parts(kind, value):
            yield from _bodies(part)


def _example(tree: Any) -> str:
    """A short text that the pattern matches, as far as that is easily said."""
    said = ""
    for kind, value in tree:
        if kind is op.LITERAL:
            said += chr(value)
        elif kind in (op.NOT_LITERAL, op.ANY):
            said += "a"
        elif kind is op.IN:
            said += _members(value)[0]
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            said += _example(value[2]) * min(max(1, int(value[0])), 8)
        elif kind is op.BRANCH:
            said += _example(value[1][0])
        elif kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
            said += _example(value[3] if kind is op.SUBPATTERN else value)
    return said


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
