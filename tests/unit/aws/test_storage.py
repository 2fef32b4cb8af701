"""The state read from the bucket decides what is changed about it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from ansible_collections.ragdock.host.plugins.module_utils.aws import read_services


@pytest.fixture
def s3(aws_server: str) -> Any:
    """A client of the object store."""
    return boto3.client(
        "s3",
        endpoint_url=aws_server,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


@pytest.mark.parametrize("days", [0, 14])
def test_the_days_for_which_a_bucket_locks_objects_are_read(s3: Any, days: int) -> None:
    """Otherwise every run would set the lock again, or none would."""
    bucket = f"locked-for-{days}-days"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=days > 0)
    if days:
        retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
        s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
        )
    found = read_services.storage(s3, bucket)
    assert found["bucket"] is not None
    assert found["bucket"]["object_lock_days"] == days
