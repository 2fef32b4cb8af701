"""Benchmarks limit their containers as a deployment does."""

from __future__ import annotations

import pytest

from bench.measuring.stores import limits


@pytest.mark.parametrize("service", ["opensearch", "ollama", "models"])
def test_a_limit_is_a_number_that_docker_takes(service: str) -> None:
    given = dict(option.removeprefix("--").split("=") for option in limits(service) if option[0:2] == "--")
    assert int(given["memory"].removesuffix("m")) > 0
    assert float(given["cpus"]) > 0
