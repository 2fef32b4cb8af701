"""Compares what AWS has with what a deployment needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

ABSENT = "does not exist"
SURPLUS = "is no longer wanted"


def normal(value: Any) -> Any:
    """Normalize what AWS writes in several forms: order of lists, a list of one, numbers as text."""
    if isinstance(value, Mapping):
        return {str(key): normal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        items = sorted((normal(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    if isinstance(value, bool) or value is None:
        return value
    return str(value)


def _say(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def differences(have: Mapping[str, Any] | None, want: Mapping[str, Any]) -> list[str]:
    """What must change for HAVE to match WANT, one line per property; empty if nothing must."""
    if have is None:
        return [ABSENT]
    lines = []
    for name, wanted in want.items():
        if name == "names":
            # Additional names do not concern this deployment.
            lacking = sorted(set(wanted) - set(have.get(name) or ()))
            lines += [f"{name}: without {', '.join(lacking)}"] if lacking else []
            continue
        found, wanted = normal(have.get(name)), normal(wanted)
        if isinstance(wanted, dict) and isinstance(found, dict) and name == "tags":
            found = {key: item for key, item in found.items() if key in wanted}
        if found != wanted:
            lines.append(f"{name}: {_say(found)} -> {_say(wanted)}")
    return lines


def compare(
    existing: Mapping[str, Mapping[str, Any] | None], wanted: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """The resources that are missing or differ, each with its differences."""
    found = {name: differences(existing.get(name), want) for name, want in wanted.items()}
    return {name: lines for name, lines in found.items() if lines}


def surplus(
    existing: Mapping[str, Mapping[str, Any] | None], wanted: Mapping[str, Any], optional: Iterable[str]
) -> list[str]:
    """The optional resources that exist and are no longer wanted."""
    return sorted(name for name in optional if existing.get(name) is not None and name not in wanted)
