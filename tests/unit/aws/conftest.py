"""Starts a local AWS in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.unit.role_files import share

share("aws_secrets")


@pytest.fixture(scope="session")
def aws_server() -> Iterator[str]:
    """Address of a local AWS API on a port of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ssm(aws_server: str) -> Any:
    """A client of the Parameter Store."""
    return boto3.client(
        "ssm",
        endpoint_url=aws_server,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
