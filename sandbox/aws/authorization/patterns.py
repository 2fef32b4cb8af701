"""The patterns of policies: wildcards and policy variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

# The context of a request: condition key (lower case) -> its values.
Context = Mapping[str, tuple[str, ...]]

VARIABLE = re.compile(r"\$\{([^}]*)\}")
# ${*}, ${?} and ${$} are those characters themselves.
LITERAL = frozenset("*?$")


def substituted(text: str, context: Context) -> str | None:
    """Substitute the variables in TEXT; None if one has no value, because then nothing matches."""
    parts = _parts(text, context)
    return None if parts is None else "".join(part for part, _ in parts)


def matches(pattern: str, text: str, context: Context) -> bool:
    """Return whether TEXT matches PATTERN; wildcards in the values of variables are plain characters."""
    parts = _parts(pattern, context)
    if parts is None:
        return False
    expression = "".join(re.escape(part) if literal else _glob(part) for part, literal in parts)
    return _compiled(expression).fullmatch(text) is not None


def any_of(patterns: Iterable[str], ignore_case: bool = False) -> re.Pattern[str]:
    """Compile several patterns without variables into one regular expression."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile("|".join(f"(?:{_glob(one)})" for one in patterns) or r"(?!)", flags)


def has_variable(pattern: str) -> bool:
    """Return whether a pattern contains a variable, so that it depends on the request."""
    return VARIABLE.search(pattern) is not None


def _parts(text: str, context: Context) -> list[tuple[str, bool]] | None:
    """Split TEXT into pieces, each with whether it is literal (no wildcards)."""
    found: list[tuple[str, bool]] = []
    for number, piece in enumerate(VARIABLE.split(text)):
        if number % 2 == 0:
            found.append((piece, False))
            continue
        name, _, default = (word.strip() for word in piece.partition(","))
        values = (name,) if name in LITERAL else context.get(name.lower(), ())
        if len(values) != 1 and not default:
            return None
        found.append((values[0] if len(values) == 1 else default.strip("'"), True))
    return found


def _glob(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)
