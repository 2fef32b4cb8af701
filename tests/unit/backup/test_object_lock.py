"""A bucket with Object Lock, made by our own role in a local AWS that enforces it, and the real restic."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

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
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from ansible_collections.ragdock.host.plugins.modules import aws_bucket_as_of
from tests.local_aws import ADMINISTRATOR, client, judged_aws
from tests.unit.aws.test_host_policy import BUCKET, NAME, rendered
from tests.unit.role_files import COLLECTIONS, ROLES

DAYS = 14
DAY = 86400.0
OPERATOR = ROLES.parent / "docs/policies/operator.json"
KEYS = {"AWS_ACCESS_KEY_ID": ADMINISTRATOR, "AWS_SECRET_ACCESS_KEY": ADMINISTRATOR}
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """As after the first site.yml with ragdock_backup_object_lock_days; the address."""
    with judged_aws({}) as local:
        make_bucket(local.address, tmp_path_factory.mktemp("play"))
        yield local.address


def played(at: str, folder: Path, role: dict[str, str], **other: Any) -> subprocess.CompletedProcess[str]:
    """A role of ours, as a playbook runs it."""
    variables = other | {
        "ragdock_name": NAME,
        "ragdock_backup_bucket": BUCKET,
        "ragdock_backup_object_lock_days": DAYS,
        "aws_state_tags": {"ragdock:name": NAME},
        "ansible_python_interpreter": sys.executable,
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables}
    tasks = {"tasks": [{"ansible.builtin.import_role": role}]}
    (folder / "play.yml").write_text(json.dumps([play | tasks]))
    environment = dict(os.environ, AWS_ENDPOINT_URL=at, AWS_REGION="us-east-1")
    environment |= {"ANSIBLE_ROLES_PATH": str(ROLES), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
    environment |= KEYS
    program, file = Path(sys.executable).with_name("ansible-playbook"), folder / "play.yml"
    words = [str(program), "-i", "localhost,", str(file)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def make_bucket(at: str, folder: Path) -> None:
    """As playbooks/provision.yml makes it: by the role aws_storage."""
    found = {"to_do": ["bucket", "bucket_lifecycle"]}
    done = played(at, folder, {"name": "aws_storage"}, aws_state_found=found)
    assert done.returncode == 0, done.stdout


@dataclass(frozen=True)
class Signed(Repository):
    """As a program that signs in."""

    access_key: str = field(default=ADMINISTRATOR, kw_only=True)

    def environment(self, descriptor: int) -> dict[str, str]:
        """What the host's role gives it elsewhere."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.access_key}
        return {**super().environment(descriptor), **keys}


@dataclass
class Locked:
    """A repository in a bucket that enforces a lock."""

    at: str
    prefix: str
    s3: Any
    repository: Signed
    papers: Path

    def back_up(self, number: int) -> bytes:
        """One more backup, of content that is new; the content."""
        content = random.Random(number).randbytes(300_000)  # noqa: S311 - no secret
        (self.papers / "paper.bin").write_bytes(content)
        name = f"202603{number:02d}T020000Z"
        self.repository.run("backup", "--host", "lab", "--tag", f"backup:{name},release:r1", str(self.papers))
        return content

    def listed(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Versions and delete markers."""
        found = self.s3.list_object_versions(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        return found.get("Versions", []), found.get("DeleteMarkers", [])

    def version_ids(self) -> set[str]:
        """Every version there is."""
        return {one["VersionId"] for one in self.listed()[0]}

    def objects(self) -> dict[str, bytes]:
        """What the repository holds now, locks left out: name -> content."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/").get("Contents", [])
        return {
            one["Key"]: self.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
            if "/locks/" not in one["Key"]
        }

    def newest(self, folder: Path) -> bytes:
        """The content of the newest backup, restored."""
        self.repository.restore(self.repository.backups()[-1].snapshot, folder)
        (found,) = folder.rglob("paper.bin")
        return found.read_bytes()


@pytest.fixture
def locked(aws: str, tmp_path: Path, restic: None, request: pytest.FixtureRequest) -> Locked:
    """A repository of this test's own, in the one bucket."""
    del restic
    prefix = f"backup/{abs(hash(request.node.name))}"
    where = f"s3:{aws}/{BUCKET}/{prefix}"
    repository = Signed(where, password="a long word", region="us-east-1", cache=tmp_path / "cache")
    repository.init()
    (tmp_path / "papers").mkdir()
    return Locked(aws, prefix, client("s3", aws, ADMINISTRATOR), repository, tmp_path / "papers")


def key_of(at: str, name: str, policy: dict[str, Any]) -> str:
    """The access key of somebody with just these rights."""
    iam = client("iam", at, ADMINISTRATOR)
    name = f"{name}-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))
    return str(iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"])


def person(at: str, name: str, policy: dict[str, Any]) -> Any:
    """A client of the bucket with just these rights."""
    return client("s3", at, key_of(at, name, policy))


def as_of() -> ModuleType:
    """The module behind playbooks/undelete.yml."""
    return aws_bucket_as_of


def undelete(at: Locked, moment: dt.datetime, s3: Any = None) -> dict[str, int]:
    """What the playbook does, and its figures."""
    found = as_of().versions(s3 or at.s3, BUCKET, at.prefix)
    made = as_of().plan(found, moment)
    as_of().carry_out(s3 or at.s3, BUCKET, made)
    figures: dict[str, int] = as_of().figures(made)
    return figures


def now() -> dt.datetime:
    """A time that no change before or after shares: the bucket's resolution is one second."""
    time.sleep(1.1)
    found = dt.datetime.now(dt.UTC)
    time.sleep(1.1)
    return found


def test_the_role_makes_a_bucket_that_locks_each_object(locked: Locked) -> None:
    """Also what restic writes, which says nothing of a lock."""
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
    """Or each run would make it again; and no rule ends a version that is current."""
    found = read_services.storage(client("s3", aws, ADMINISTRATOR), BUCKET)
    assert found["bucket"]
    assert found["bucket_lifecycle"]
    assert found["bucket"]["object_lock_days"] == DAYS
    (rule,) = found["bucket_lifecycle"]["rules"]
    wanted = yaml.safe_load((ROLES / "aws_storage/vars/main.yml").read_text())["_aws_storage_rule"]
    assert rule == wanted | {"old_versions_days": 30}
    (raw,) = client("s3", aws, ADMINISTRATOR).get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert raw["Expiration"] == {"ExpiredObjectDeleteMarker": True}


def test_backups_are_forgotten_under_the_lock_and_no_version_goes(locked: Locked, tmp_path: Path) -> None:
    """restic deletes as the host's role may: each file gets a marker, and its version stays."""
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
    """Neither the host's role, which may not, nor who may: the lock refuses those. All can hide it."""
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
    """What the test above verifies is the lock's work."""
    s3 = client("s3", aws, ADMINISTRATOR)
    s3.create_bucket(Bucket="unlocked")
    s3.put_bucket_versioning(Bucket="unlocked", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="unlocked", Key="backup/config", Body=b"x")["VersionId"]
    owner = person(aws, "owner-of-unlocked", ANYBODY)
    owner.delete_object(Bucket="unlocked", Key="backup/config", VersionId=version)
    assert "Versions" not in s3.list_object_versions(Bucket="unlocked")


def test_what_a_thief_deleted_and_overwrote_is_brought_back(locked: Locked, tmp_path: Path) -> None:
    """With the operator's rights and no others: the same files, and a restore of the same content."""
    locked.back_up(1)
    content = locked.back_up(2)
    # As a lock of restic's that has gone: it must stay away.
    locked.s3.put_object(Bucket=BUCKET, Key=f"{locked.prefix}/locks/old", Body=b"lock")
    locked.s3.delete_object(Bucket=BUCKET, Key=f"{locked.prefix}/locks/old")
    before, versions = locked.objects(), locked.version_ids()
    moment = now()
    for number, name in enumerate(before):
        if number % 2:
            locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"ransom")
        locked.s3.delete_object(Bucket=BUCKET, Key=name)
    locked.s3.put_object(Bucket=BUCKET, Key=f"{locked.prefix}/data/00/ransom", Body=b"ransom")
    assert not locked.repository.exists()

    operator = person(locked.at, "operator", json.loads(OPERATOR.read_text()))
    figures = undelete(locked, moment, operator)
    assert locked.objects() == before
    assert versions <= locked.version_ids()
    assert figures["deleted"] == len(before) - len(before) // 2
    assert (figures["overwritten"], figures["newer"]) == (len(before) // 2, 1)
    locked.repository.run("check", "--read-data")
    assert len(locked.repository.backups()) == 2
    assert locked.newest(tmp_path / "back") == content
    assert undelete(locked, moment) | {"unchanged": 0} == dict.fromkeys(figures, 0), "a second run changed"


def test_a_later_time_can_be_chosen_afterwards(locked: Locked) -> None:
    """A wrong guess loses nothing: hidden objects come back."""
    locked.back_up(1)
    early = now()
    locked.back_up(2)
    late, before = now(), locked.objects()
    assert undelete(locked, early)["newer"] > 0
    assert len(locked.repository.backups()) == 1
    undelete(locked, late)
    assert locked.objects() == before
    assert len(locked.repository.backups()) == 2


def test_a_file_that_was_damaged_before_that_time_is_not_written_again(locked: Locked) -> None:
    """restic names files after their content; another content is reported, not spread."""
    locked.back_up(1)
    name = next(name for name in locked.objects() if "/data/" in name)
    locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"damaged")
    moment = now()
    locked.s3.put_object(Bucket=BUCKET, Key=name, Body=b"damaged again")
    with pytest.raises(as_of().PointInTimeError, match="earlier time"):
        undelete(locked, moment)


def test_a_locked_bucket_is_not_half_destroyed(aws: str, tmp_path: Path) -> None:
    """Told before the first thing goes; else host and network were gone, and the run failed at the bucket."""
    found = {"existing": {"bucket": {"object_lock_days": DAYS}}}
    words = {"name": "aws_state", "tasks_from": "confirm"}
    named = {"aws_storage_bucket": BUCKET, "aws_state_found": found}
    done = played(aws, tmp_path, words, keep_backups=False, **named)
    told = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert f"{BUCKET} locks what is stored in it for {DAYS} days" in told
    assert "without -e keep_backups=false" in told
    # With the backups kept it continues, to the next step that this test has nothing for.
    done = played(aws, tmp_path, words, keep_backups=True, **named)
    assert "locks what is stored" not in " ".join(done.stdout.split())
    assert "List everything that belongs to the deployment" in done.stdout


@pytest.mark.parametrize(("given", "told"), [("yesterday", "is not a time"), ("2999-01-01", "future")])
def test_an_invalid_time_is_refused(given: str, told: str) -> None:
    """Before anything is asked of the bucket."""
    with pytest.raises(as_of().PointInTimeError, match=told):
        as_of().point_in_time(given, dt.datetime.now(dt.UTC))


def locked_until(locked: Locked) -> dict[str, dt.datetime]:
    """File of the repository -> when its lock ends."""
    return {
        name: locked.s3.head_object(Bucket=BUCKET, Key=name)["ObjectLockRetainUntilDate"]
        for name in locked.objects()
    }


def test_the_locks_of_a_kept_backup_are_extended_before_they_end(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """Or a file of last year, which the newest backup still needs, could be destroyed."""
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
    # What no backup needs any more keeps the lock it had, and leaves when that has ended.
    for one in locked.listed()[0]:
        if one["Key"] in forgotten:
            words = {"Bucket": BUCKET, "Key": one["Key"], "VersionId": one["VersionId"]}
            assert locked.s3.head_object(**words)["ObjectLockRetainUntilDate"] == before[one["Key"]]
    # As if the days had been raised: what was stored before is locked for less than the new ones.
    longer = dataclasses.replace(settings, lock_days=2 * DAYS)
    assert retention.renew(longer, later, locked.s3) == len(locked.objects())


def test_the_hosts_rights_are_enough_for_a_night(locked: Locked, tmp_path: Path) -> None:
    """A backup, old ones forgotten, all of it checked and restored; and no version can be destroyed."""
    key = key_of(locked.at, "host", {"Version": "2012-10-17", "Statement": rendered("backups")})
    locked.repository = dataclasses.replace(locked.repository, access_key=key)
    locked.back_up(1)
    content = locked.back_up(2)
    locked.repository.run("forget", "--keep-last", "1", "--prune")
    locked.repository.run("check", "--read-data")
    assert locked.newest(tmp_path / "back") == content


def test_the_hosts_rights_are_enough_to_extend_locks(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """Each night, with no operator to ask."""
    del paths
    settings = dataclasses.replace(settings, location=locked.repository.location, lock_days=DAYS)
    locked.back_up(1)
    host = person(locked.at, "host", {"Version": "2012-10-17", "Statement": rendered("backups")})
    everything = len(locked.objects())
    assert retention.renew(settings, time.time(), host) == everything


def test_a_lock_on_a_bucket_without_object_lock_is_reported(
    locked: Locked, settings: Settings, paths: BackupPaths
) -> None:
    """The setting was raised after the bucket was made: the operator must not believe in a lock."""
    del paths
    locked.s3.create_bucket(Bucket="never-locked")
    locked.s3.put_object(Bucket="never-locked", Key="backup/config", Body=b"x")
    where = f"s3:{locked.at}/never-locked/backup"
    settings = dataclasses.replace(settings, location=where, lock_days=DAYS)
    with pytest.raises(BackupError, match="Has the bucket Object Lock"):
        retention.renew(settings, time.time(), locked.s3)


@pytest.mark.parametrize("where", ["/srv/backups", "sftp:user@host:/srv/backups"])
def test_a_repository_elsewhere_has_no_lock(settings: Settings, where: str) -> None:
    """Nothing is asked of AWS."""
    settings = dataclasses.replace(settings, location=where, lock_days=DAYS)
    assert retention.renew(settings, time.time()) == 0
