"""AWS, asked with the rights of the host's role."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session

from ansible_collections.ragdock.host.plugins.module_utils.backup.common import Settings


def client(settings: Settings, service: str) -> Any:
    """A client of one service."""
    session = botocore.session.Session()
    # By default the role is asked for once, for one second: a busy host would seem to have none.
    session.set_config_variable("metadata_service_timeout", 10)
    session.set_config_variable("metadata_service_num_attempts", 4)
    return boto3.Session(botocore_session=session, region_name=settings.region).client(
        service,  # type: ignore[call-overload]
        endpoint_url=settings.endpoint_url or None,
    )
