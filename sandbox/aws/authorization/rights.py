"""What a right is: one action on one resource, and what is known of both when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Right:
    """One action on one resource."""

    action: str
    resource: str
    # Of the resource as it is, and of the request.
    tags: Mapping[str, str] = field(default_factory=dict)
    request_tags: Mapping[str, str] = field(default_factory=dict)
    # Further condition keys of the service.
    keys: Mapping[str, str] = field(default_factory=dict)


def tags(listed: Any) -> dict[str, str]:
    """A list of tags as AWS writes it, as a dictionary; also one of keys alone."""
    return {
        str(one.get("Key", one.get("key"))) if isinstance(one, Mapping) else str(one): str(
            one.get("Value", one.get("value", "")) if isinstance(one, Mapping) else ""
        )
        for one in listed or []
    }
