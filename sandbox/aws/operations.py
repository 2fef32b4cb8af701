"""The AWS operation of a request, and whether it is read-only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

LOOKING = (
    "BatchGet",
    "Describe",
    "Filter",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Query",
    "Scan",
    "Search",
    "Simulate",
    "Validate",
)
LOOKING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def operation(environ: Mapping[str, Any], body: bytes) -> str:
    """Return the operation's name in the query, JSON and CBOR protocols; "" for REST."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rpartition(".")[2]
    path = str(environ.get("PATH_INFO", ""))
    if "/operation/" in path:
        return path.rpartition("/")[2]
    if "form-urlencoded" in str(environ.get("CONTENT_TYPE", "")):
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return parse_qs(str(environ.get("QUERY_STRING", ""))).get("Action", [""])[0]


def reads_only(environ: Mapping[str, Any], name: str) -> bool:
    """Return whether a request is read-only."""
    if name:
        return name.startswith(LOOKING)
    return environ.get("REQUEST_METHOD") in LOOKING_METHODS


def instances(body: bytes) -> list[str]:
    """Return the instances that an EC2 request names."""
    fields = parse_qs(body.decode("utf-8", "replace"))
    return [values[0] for key, values in fields.items() if key.startswith("InstanceId")]
