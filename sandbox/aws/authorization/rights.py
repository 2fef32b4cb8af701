"""A right: the permission for one action on one resource, with the context to decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Right:
    """One action on one resource."""

    action: str
    resource: str
    # Tags of the existing resource, and tags in the request.
    tags: Mapping[str, str] = field(default_factory=dict)
    request_tags: Mapping[str, str] = field(default_factory=dict)
    # Additional condition keys of the service.
    keys: Mapping[str, str] = field(default_factory=dict)


def tags(listed: Any) -> dict[str, str]:
    """Convert AWS's list of tags, or a list of tag keys alone, to a dictionary."""
    return {
        str(one.get("Key", one.get("key"))) if isinstance(one, Mapping) else str(one): str(
            one.get("Value", one.get("value", "")) if isinstance(one, Mapping) else ""
        )
        for one in listed or []
    }
