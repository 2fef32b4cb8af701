"""Objects deleted or overwritten in the bucket come back by the command of docs/operate/backups.md."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.stack.backup.vault import Vault, aws, back_up
from tests.stack.plays import play
from tests.stack.soak import fault, long

pytestmark = [fault, long("makes a repository of its own")]


@pytest.fixture
def bucket(vault: Vault) -> Iterator[str]:
    """A bucket that locks each object for a day; afterwards backups go to the usual bucket again."""
    s3, name = aws("s3"), f"ragdock-{vault.name}-locked-for-a-test"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
    )
    yield name
    for one in all_versions(s3, name):
        s3.delete_object(
            Bucket=name, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True
        )
    s3.delete_bucket(Bucket=name)
    back_up().good()


def all_versions(s3: Any, bucket: str) -> list[dict[str, Any]]:
    """Versions and delete markers."""
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
    return [one for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])]


def test_a_repository_that_was_deleted_and_overwritten_is_brought_back(vault: Vault, bucket: str) -> None:
    """Deleted with the host's rights, which remove no version; a drill verifies the recovered repository."""
    s3, there = (
        aws("s3"),
        (*("-e", f"ragdock_backup_bucket={bucket}"), *("-e", "ragdock_backup_object_lock_days=1")),
    )
    back_up(*there).good()
    assert vault.record()["figures"]["locked_anew"] > 0
    ids = vault.ids()
    assert len(ids) == 1
    time.sleep(1.1)
    moment = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}Z"
    time.sleep(1.1)
    kept = [one for one in all_versions(s3, bucket) if "Size" in one]
    for one in kept:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    names = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    for number, name in enumerate(names):
        if number % 2:
            s3.put_object(Bucket=bucket, Key=name, Body=b"ransom")
        else:
            s3.delete_object(Bucket=bucket, Key=name)

    back_up(*there).refused("playbooks/undelete.yml")
    looked = play("playbooks/undelete.yml", *there, "-e", f"moment={moment}", "--check").good()
    assert "would be as it was" in " ".join(looked.output.split())
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == len(names) // 2
    play("playbooks/undelete.yml", *there, "-e", f"moment={moment}").good()
    assert vault.ids() == ids
    assert {one["VersionId"] for one in kept} <= {one["VersionId"] for one in all_versions(s3, bucket)}
    vault.restic("check", "--read-data")
    play("playbooks/drill.yml", *there).good()


def test_a_point_in_time_is_required(vault: Vault) -> None:
    """Without one, nothing changes."""
    before = vault.ids()
    play("playbooks/undelete.yml").refused("-e moment=", "Nothing has changed")
    play("playbooks/undelete.yml", "-e", "moment=yesterday").refused("is not a time", "Nothing was destroyed")
    assert vault.ids() == before
