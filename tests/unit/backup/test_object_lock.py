"""What is stored in a bucket with Object Lock stays there, and its lock is extended while it is needed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError

from ansible_collections.ragdock.host.plugins.module_utils.aws import read_services
from ansible_collections.ragdock.host.plugins.module_utils.backup import retention
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupError,
    BackupPaths,
    Settings,
)
from tests.local_aws import ADMINISTRATOR, client
from tests.unit.aws.test_host_policy import BUCKET, rendered
from tests.unit.backup.locked_bucket import DAYS, OPERATOR, Locked, keys_of, person, played
from tests.unit.backup.locked_bucket import aws as aws
from tests.unit.backup.locked_bucket import locked as locked
from tests.unit.role_files import ROLES

DAY = 86400.0
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def test_the_role_makes_a_bucket_that_locks_each_object(locked: Locked) -> None:
    """Objects that restic writes without asking for a lock are locked too."""
    locked.back_up(1)
    found = locked.s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    assert found["Rule"]["DefaultRetention"]["Mode"] == "GOVERNANCE"
    assert locked.s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    earliest = dt.datetime.now(dt.UTC) + dt.timedelta(days=DAYS, minutes=-5)
    versions, _ = locked.listed()
    assert len(versions) > 5
    for one in versions:
        head = locked.s3.head_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
        assert head["ObjectLockMode"] == "GOVERNANCE"
        assert head["ObjectLockRetainUntilDate"] > earliest


def test_what_the_role_made_is_what_it_wants(aws: str) -> None:
    """Otherwise each run would create it again. No lifecycle rule expires a current version."""
    found = read_services.storage(client("s3", aws, ADMINISTRATOR), BUCKET)
    assert found["bucket"]
    assert found["bucket_lifecycle"]
    assert found["bucket"]["object_lock_days"] == DAYS
    (rule,) = found["bucket_lifecycle"]["rules"]
    expected = yaml.safe_load((ROLES / "aws_storage/vars/main.yml").read_text())["_aws_storage_rule"]
    assert rule == expected | {"old_versions_days": 30}
    (raw,) = client("s3", aws, ADMINISTRATOR).get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert raw["Expiration"] == {"ExpiredObjectDeleteMarker": True}


def test_backups_are_forgotten_under_the_lock_and_no_version_goes(locked: Locked, tmp_path: Path) -> None:
    """restic deletes with the host role's rights: each file gets a delete marker, and its version stays."""
    locked.back_up(1)
    second = locked.back_up(2)
    before = locked.version_ids()
    done = locked.repository.run("forget", "--keep-last", "1", "--prune")
    assert "old packs" in done.out
    assert before <= locked.version_ids()
    assert any("/data/" in one["Key"] for one in locked.listed()[1])
    locked.repository.run("check", "--read-data")
    assert len(locked.repository.backups()) == 1
    assert locked.newest(tmp_path / "back") == second


@pytest.mark.parametrize("who", ["host", "operator", "owner"])
def test_a_locked_version_cannot_be_destroyed(locked: Locked, who: str) -> None:
    """The host's role lacks the right, and the lock refuses those who have it. All can hide it."""
    host = {"Version": "2012-10-17", "Statement": rendered("backups")}
    policies = {"host": host, "operator": json.loads(OPERATOR.read_text()), "owner": ANYBODY}
    s3 = person(locked.at, who, policies[who])
    locked.back_up(1)
    before, _ = locked.listed()
    for one in before:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
        assert s3.delete_object(Bucket=BUCKET, Key=one["Key"])["DeleteMarker"]
    assert {one["VersionId"] for one in before} == locked.version_ids()
    assert len(locked.listed()[1]) >= len(before)


def test_without_a_lock_the_owner_destroys_versions(aws: str) -> None:
    """Shows that the lock causes the result of the test above."""
    s3 = client("s3", aws, ADMINISTRATOR)
    s3.create_bucket(Bucket="unlocked")
    s3.put_bucket_versioning(Bucket="unlocked", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="unlocked", Key="backup/config", Body=b"x")["VersionId"]
    owner = person(aws, "owner-of-unlocked", ANYBODY)
    owner.delete_object(Bucket="unlocked", Key="backup/config", VersionId=version)
    assert "Versions" not in s3.list_object_versions(Bucket="unlocked")


def test_a_locked_bucket_is_not_half_destroyed(aws: str, tmp_path: Path) -> None:
    """Refused before host and network are destroyed: otherwise the run would fail later, at the bucket."""
    found = {"existing": {"bucket": {"object_lock_days": DAYS}}}
    words = {"name": "aws_state", "tasks_from": "confirm"}
    named = {"aws_storage_bucket": BUCKET, "aws_state_found": found}
    done = played(aws, tmp_path, words, keep_backups=False, **named)
    output = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert f"{BUCKET} locks what is stored in it for {DAYS} days" in output
    assert "without -e keep_backups=false" in output
    # With the backups kept, the run continues to the next step, for which this test has nothing.
    done = played(aws, tmp_path, words, keep_backups=True, **named)
    assert "locks what is stored" not in " ".join(done.stdout.split())
    assert "List everything that belongs to the deployment" in done.stdout


def locked_until(locked: Locked) -> dict[str, dt.datetime]:
    """File of the repository -> the time when its lock ends."""
    return {
        name: locked.s3.head_object(Bucket=BUCKET, Key=name)["ObjectLockRetainUntilDate"]
        for name in locked.objects()
    }


def test_the_locks_of_a_kept_backup_are_extended_before_they_end(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """Otherwise an old file that the newest backup still needs could be destroyed."""
    del paths
    settings = dataclasses.replace(settings, location=locked.repository.location, lock_days=DAYS)
    started = time.time()
    locked.back_up(1)
    locked.back_up(2)
    everything = len(locked.objects())
    assert retention.renew(settings, started, locked.s3) == everything, "a first night knows nothing"
    assert retention.renew(settings, started + DAY, locked.s3) == 0
    before = locked_until(locked)
    locked.repository.run("forget", "--keep-last", "1", "--prune")
    forgotten = set(before) - set(locked.objects())
    assert forgotten

    later = started + (DAYS / 2 + 1) * DAY
    renewed = retention.renew(settings, later, locked.s3)
    needed = set(locked.objects()) & set(before)
    after = locked_until(locked)
    assert renewed == len(locked.objects())
    for name in needed:
        assert after[name] > before[name] + dt.timedelta(days=DAYS / 2)
    # A file that no backup needs any more keeps its lock unchanged and is deleted when that has ended.
    for one in locked.listed()[0]:
        if one["Key"] in forgotten:
            words = {"Bucket": BUCKET, "Key": one["Key"], "VersionId": one["VersionId"]}
            assert locked.s3.head_object(**words)["ObjectLockRetainUntilDate"] == before[one["Key"]]
    # As if the days had been raised: the existing locks are shorter than the new setting.
    longer = dataclasses.replace(settings, lock_days=2 * DAYS)
    assert retention.renew(longer, later, locked.s3) == len(locked.objects())


def test_the_hosts_rights_are_enough_for_a_night(locked: Locked, tmp_path: Path) -> None:
    """They suffice to back up, prune, check and restore, but not to destroy a version."""
    keys = keys_of(locked.at, "host", {"Version": "2012-10-17", "Statement": rendered("backups")})
    locked.repository = dataclasses.replace(locked.repository, keys=keys)
    locked.back_up(1)
    content = locked.back_up(2)
    locked.repository.run("forget", "--keep-last", "1", "--prune")
    locked.repository.run("check", "--read-data")
    assert locked.newest(tmp_path / "back") == content


def test_the_hosts_rights_are_enough_to_extend_locks(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """This runs each night, with no operator to ask."""
    del paths
    settings = dataclasses.replace(settings, location=locked.repository.location, lock_days=DAYS)
    locked.back_up(1)
    host = person(locked.at, "host", {"Version": "2012-10-17", "Statement": rendered("backups")})
    everything = len(locked.objects())
    assert retention.renew(settings, time.time(), host) == everything


def test_a_lock_on_a_bucket_without_object_lock_is_reported(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """Raising the setting later does not lock an existing bucket, and the operator must know that."""
    del paths
    locked.s3.create_bucket(Bucket="never-locked")
    locked.s3.put_object(Bucket="never-locked", Key="backup/config", Body=b"x")
    where = f"s3:{locked.at}/never-locked/backup"
    settings = dataclasses.replace(settings, location=where, lock_days=DAYS)
    with pytest.raises(BackupError, match="Has the bucket Object Lock"):
        retention.renew(settings, time.time(), locked.s3)


@pytest.mark.parametrize("where", ["/srv/backups", "sftp:user@host:/srv/backups"])
def test_a_repository_elsewhere_has_no_lock(settings: Settings, where: str) -> None:
    """Nothing is requested from AWS."""
    settings = dataclasses.replace(settings, location=where, lock_days=DAYS)
    assert retention.renew(settings, time.time()) == 0
