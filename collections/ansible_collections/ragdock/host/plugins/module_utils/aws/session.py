"""AWS clients for modules. Where boto3 may be missing, `libraries.require` comes first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

with suppress(ImportError):
    import boto3
    import botocore.session
    from botocore.config import Config


def quick(attempts: int = 4) -> Config:
    """A configuration with short timeouts, for services that usually answer within a second."""
    return Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": attempts, "mode": "standard"})


def clients(
    attempts: int = 4, region: str | None = None, endpoint_url: str | None = None
) -> Callable[[str], Any]:
    """Return a function that makes a service's client; defaults come from this process's settings."""
    session = boto3.session.Session(region_name=region)

    def client(service: str) -> Any:
        return session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint_url,
            config=quick(attempts),
        )

    return client


def host_client(service: str, region: str, endpoint_url: str, config: Config | None = None) -> Any:
    """A client with the rights of this host's role."""
    session = botocore.session.Session()
    # By default the role is requested once, with a timeout of one second: on a busy host it would seem
    # to be missing.
    session.set_config_variable("metadata_service_timeout", 10)
    session.set_config_variable("metadata_service_num_attempts", 4)
    return boto3.session.Session(botocore_session=session, region_name=region).client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint_url or None,
        config=config,
    )
