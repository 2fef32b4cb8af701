"""One inspection of the containers gives the minimal steps, whatever an interrupted run left."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.docker import Container, parse_container
from ansible_collections.ragdock.host.plugins.module_utils.releases.rolling import Plan, plan

SPECS = {"opensearch": "o1", "rag-worker": "w1", "rag-app": "a1", "edge": "e1"}


def container(service: str, spec: str, **more: Any) -> Container:
    """A healthy container, except for the given fields."""
    made = Container(
        f"{service}-{spec}",
        f"ragdock-{service}-1",
        service,
        spec,
        "running",
        "healthy",
        0,
        False,
        0,
        "image",
        "2026",
    )
    return dataclasses.replace(made, **more)


WELL = [container(service, spec) for service, spec in SPECS.items()]


def test_a_stack_as_wanted_needs_nothing() -> None:
    assert plan(SPECS, WELL).nothing


def test_an_empty_host_needs_everything_data_first_edge_last() -> None:
    assert plan(SPECS, []) == Plan(("opensearch", "rag-worker", "edge"), ("rag-app",), ())


@pytest.mark.parametrize(
    ("change", "service"),
    [
        ({"spec": "other"}, "opensearch"),
        ({"state": "exited", "health": "none"}, "rag-worker"),
        ({"health": "unhealthy"}, "edge"),
        ({"health": "starting"}, "opensearch"),
    ],
)
def test_a_held_service_that_differs_is_replaced(change: dict[str, Any], service: str) -> None:
    there = [dataclasses.replace(one, **change) if one.service == service else one for one in WELL]
    assert plan(SPECS, there) == Plan((service,), (), ())


@pytest.mark.parametrize("left", [{"spec": "a0"}, {"spec": "a1"}, {"spec": "a1", "health": "unhealthy"}])
def test_a_second_container_that_an_interrupted_roll_left_is_rolled_away(left: dict[str, Any]) -> None:
    assert plan(SPECS, [*WELL, container("rag-app", **left)]) == Plan((), ("rag-app",), ())


def test_a_container_of_a_service_that_is_no_more_is_removed() -> None:
    assert plan(SPECS, [*WELL, container("old-service", "x", id="gone")]) == Plan((), (), ("gone",))


INSPECTED: dict[str, Any] = {
    "Id": "abc",
    "Name": "/ragdock-rag-app-4",
    "Created": "2026-11-23T15:16:00Z",
    "RestartCount": 2,
    "State": {"Status": "running", "ExitCode": 0, "OOMKilled": False, "Health": {"Status": "starting"}},
    "Config": {
        "Image": "registry/rag-app@sha256:0",
        "Labels": {"com.docker.compose.service": "rag-app", "com.docker.compose.config-hash": "spec"},
    },
}


def test_a_container_that_ends_again_and_again_will_not_become_healthy() -> None:
    found = parse_container(INSPECTED)
    assert (found.service, found.spec, found.name, found.well) == (
        "rag-app",
        "spec",
        "ragdock-rag-app-4",
        False,
    )
    assert found.hopeless(0)
    assert found.summary() == "ragdock-rag-app-4 ended and was started again 2 times, health: starting"


def test_one_restart_long_ago_condemns_nobody() -> None:
    assert not parse_container({**INSPECTED, "RestartCount": 7}).hopeless(7)


def test_a_container_over_its_memory_limit_is_reported_with_the_setting() -> None:
    killed = {**INSPECTED, "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": True}}
    assert "ragdock_memory_limits" in parse_container(killed).summary()


def test_a_container_without_healthcheck_is_well_when_it_runs() -> None:
    assert parse_container({**INSPECTED, "State": {"Status": "running"}}).well
