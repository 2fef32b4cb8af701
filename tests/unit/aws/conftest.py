"""Fixtures that start a local AWS in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_aws import LocalAws, client, faulty_aws


@pytest.fixture(scope="session")
def local() -> Iterator[LocalAws]:
    """A local AWS API on a port of its own, whose faults can be switched on."""
    with faulty_aws() as aws:
        yield aws


@pytest.fixture(scope="session")
def aws_server(local: LocalAws) -> str:
    """The address of the local AWS."""
    return local.url


@pytest.fixture
def ssm(aws_server: str) -> Any:
    """A client of the Parameter Store."""
    return client("ssm", aws_server)
