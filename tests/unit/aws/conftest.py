"""Starts a local AWS in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_aws import client, local_aws


@pytest.fixture(scope="session")
def aws_server() -> Iterator[str]:
    """Address of a local AWS API on a port of its own."""
    with local_aws() as address:
        yield address


@pytest.fixture
def ssm(aws_server: str) -> Any:
    """A client of the Parameter Store."""
    return client("ssm", aws_server)
