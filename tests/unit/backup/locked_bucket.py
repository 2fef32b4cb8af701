"""A bucket with Object Lock, created by our role in a local AWS that enforces it, and a repository in it."""

from __future__ import annotations

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
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from sandbox.aws.people import Keys
from tests.local_aws import ADMINISTRATOR, client, judged_aws
from tests.unit.aws.test_host_policy import BUCKET, NAME
from tests.unit.role_files import COLLECTIONS, ROLES

DAYS = 14
OPERATOR = ROLES.parent / "docs/policies/operator.json"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a local AWS after the first site.yml with ragdock_backup_object_lock_days."""
    with judged_aws({}) as local:
        make_bucket(local.url, tmp_path_factory.mktemp("play"))
        yield local.url


def variables_of(keys: Keys) -> dict[str, str]:
    """These keys as environment variables."""
    return {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}


def played(at: str, folder: Path, role: dict[str, str], **other: Any) -> subprocess.CompletedProcess[str]:
    """Run one of our roles in a playbook."""
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
    environment |= variables_of(ADMINISTRATOR)
    program, file = Path(sys.executable).with_name("ansible-playbook"), folder / "play.yml"
    words = [str(program), "-i", "localhost,", str(file)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def make_bucket(at: str, folder: Path) -> None:
    """Create the bucket as playbooks/provision.yml does: with the role aws_storage."""
    found = {"to_do": ["bucket", "bucket_lifecycle"]}
    done = played(at, folder, {"name": "aws_storage"}, aws_state_found=found)
    assert done.returncode == 0, done.stdout


@dataclass(frozen=True)
class Signed(Repository):
    """A repository whose restic signs in with given keys."""

    keys: Keys = field(default=ADMINISTRATOR, kw_only=True)

    def environment(self, descriptor: int) -> dict[str, str]:
        """Pass the keys that the host's role would provide."""
        return super().environment(descriptor) | variables_of(self.keys)


@dataclass
class Locked:
    """A repository in a bucket that enforces a lock."""

    at: str
    prefix: str
    s3: Any
    repository: Signed
    papers: Path

    def back_up(self, number: int) -> bytes:
        """Make one more backup of new content and return the content."""
        content = random.Random(number).randbytes(300_000)  # noqa: S311 - no secret
        (self.papers / "paper.bin").write_bytes(content)
        name = f"202603{number:02d}T020000Z"
        self.repository.run("backup", "--host", "lab", "--tag", f"backup:{name},release:r1", str(self.papers))
        return content

    def listed(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The versions and the delete markers."""
        found = self.s3.list_object_versions(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        return found.get("Versions", []), found.get("DeleteMarkers", [])

    def version_ids(self) -> set[str]:
        """The ids of all versions."""
        return {one["VersionId"] for one in self.listed()[0]}

    def objects(self) -> dict[str, bytes]:
        """The current objects of the repository without its locks: name -> content."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/").get("Contents", [])
        return {
            one["Key"]: self.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
            if "/locks/" not in one["Key"]
        }

    def newest(self, folder: Path) -> bytes:
        """Restore the newest backup and return its content."""
        self.repository.restore(self.repository.backups()[-1].snapshot, folder)
        (found,) = folder.rglob("paper.bin")
        return found.read_bytes()


@pytest.fixture
def locked(aws: str, tmp_path: Path, restic: None, request: pytest.FixtureRequest) -> Locked:
    """A repository of this test's own in the shared bucket."""
    del restic
    prefix = f"backup/{abs(hash(request.node.name))}"
    where = f"s3:{aws}/{BUCKET}/{prefix}"
    repository = Signed(where, password="a long word", region="us-east-1", cache=tmp_path / "cache")
    repository.init()
    (tmp_path / "papers").mkdir()
    return Locked(aws, prefix, client("s3", aws, ADMINISTRATOR), repository, tmp_path / "papers")


def keys_of(at: str, name: str, policy: dict[str, Any]) -> Keys:
    """The keys of a new user with only these rights."""
    iam = client("iam", at, ADMINISTRATOR)
    name = f"{name}-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


def person(at: str, name: str, policy: dict[str, Any]) -> Any:
    """An S3 client with only these rights."""
    return client("s3", at, keys_of(at, name, policy))


def now() -> dt.datetime:
    """Return a time at which nothing changed: the bucket's resolution is one second."""
    time.sleep(1.1)
    found = dt.datetime.now(dt.UTC)
    time.sleep(1.1)
    return found
