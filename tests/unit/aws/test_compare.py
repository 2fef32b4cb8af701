"""Differences are found, and nothing else is reported as different."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.aws import compare


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ({"ports": ["b", "a"]}, {"ports": ["a", "b"]}),
        ({"Action": "s3:Get"}, {"Action": ["s3:Get"]}),
        ({"days": 30}, {"days": "30"}),
        ({"tags": {"ragdock:name": "x", "owner": "somebody"}}, {"tags": {"ragdock:name": "x"}}),
        ({"id": "vpc-1", "cidr": "10.0.0.0/16"}, {"cidr": "10.0.0.0/16"}),
        ({"lines": []}, {"lines": []}),
    ],
)
def test_another_spelling_is_no_difference(have: dict[str, Any], want: dict[str, Any]) -> None:
    """AWS answers in its own order and format."""
    assert compare.differences(have, want) == []


@pytest.mark.parametrize(
    ("have", "want", "line"),
    [
        ({"private": False}, {"private": True}, "private: false -> true"),
        ({"ports": ["a", "b", "c"]}, {"ports": ["a", "b"]}, 'ports: ["a", "b", "c"] -> ["a", "b"]'),
        ({"tags": {}}, {"tags": {"ragdock:name": "x"}}, 'tags: {} -> {"ragdock:name": "x"}'),
        ({}, {"retention": 30}, "retention: null -> 30"),
        ({"emails": ["old@example.org"]}, {"emails": []}, "emails: old@example.org -> []"),
    ],
)
def test_a_difference_names_what_is_and_what_is_wanted(
    have: dict[str, Any], want: dict[str, Any], line: str
) -> None:
    """People read the plan."""
    assert compare.differences(have, want) == [line]


def test_only_what_is_missing_or_different_is_to_do() -> None:
    """A resource that is not in the settings is not touched."""
    existing = {"vpc": {"cidr": "10.0.0.0/16"}, "subnet": None, "stranger": {"x": 1}}
    wanted = {"vpc": {"cidr": "10.0.0.0/16"}, "subnet": {"cidr": "10.0.1.0/24"}, "new": {}}
    assert compare.compare(existing, wanted) == {"subnet": ["does not exist"], "new": ["does not exist"]}
