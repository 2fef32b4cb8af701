"""A broken backup breaks nothing else: the error and its fix are reported, and the next backup is complete.

Each test takes minutes: `make soak` runs them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from sandbox import settings
from sandbox.cloud import AwsApi as Cloud
from tests.stack import papers
from tests.stack.backup.vault import STANDS, Vault, aws, back_up, begun, wait_for
from tests.stack.endpoint import ApiClient
from tests.stack.host import Host
from tests.stack.soak import fault, long

pytestmark = [
    pytest.mark.release,
    fault,
    long("takes minutes"),
]

NOISE = "/opt/ragdock/snapshots/noise-of-a-test"
METADATA = "http://169.254.169.254/latest"
KILLS = 10


@pytest.fixture(autouse=True)
def whole_afterwards(vault: Vault, api: ApiClient) -> Iterator[None]:
    """After each test, the service answers, the next backup is complete, and nothing partial is left."""
    yield
    assert api.http.get("/api/health").status_code == 200
    back_up().good()
    vault.restic("check")
    record, listed = vault.record(), vault.node_snapshots()
    assert record["ok"] is True
    assert set(listed.values()) == {"SUCCESS"}
    assert len(listed) <= 2
    assert vault.uploads() == vault.snapshots(), "what was never compared is still there"
    assert vault.manifest()["id"] == record["figures"]["id"]
    assert vault.host.run("docker", "ps", "--quiet", "--filter", "status=paused") == ""


@pytest.fixture
def something_new(api: ApiClient, bin_of_documents: list[str]) -> None:
    """A document that no backup has."""
    bin_of_documents.append(api.brought("new.md", papers.good("md", papers.word())))
    api.ready(bin_of_documents[-1])


def test_opensearch_killed_in_mid_snapshot(vault: Vault, host: Host, something_new: None) -> None:
    """The partial snapshot does not count, and the next backup removes it."""
    del something_new
    pid = host.inspect("opensearch")[0]["State"]["Pid"]
    begin = host.run("date", "+%s.%N").strip()
    # Watch on the host: a snapshot takes a second, and a command from here would take as long.
    watcher = (
        f"end=$(( $(date +%s) + 120 )); until find /opt/ragdock/snapshots/indices -newermt @{begin} -type f "
        f"| grep -q .; do [ $(date +%s) -lt $end ]; done; kill -KILL {pid}"
    )
    run = begun()
    host.shell(watcher, seconds=150)
    run.end().refused("OpenSearch", "docker compose -p ragdock logs opensearch", STANDS)
    assert vault.record()["ok"] is False
    host.wait("OpenSearch is healthy again", lambda: host.healthy("opensearch"))


def test_a_backup_killed_at_any_moment_leaves_the_next_one_whole(vault: Vault, host: Host) -> None:
    """As by a power cut, the kernel out of memory, or an operator's second Ctrl-C: at ten random moments."""
    back_up().good()
    before, usual = vault.ids(), float(vault.record()["seconds"])
    hit = 0
    for _ in range(KILLS):
        run = begun()
        wait_for("the backup works on the host", lambda: bool(vault.processes()))
        time.sleep(random.uniform(0, usual))  # noqa: S311 - not a secret
        hit += bool(vault.kill())
        run.end()
        assert host.healthy("rag-app")
    assert hit >= KILLS // 2, f"only {hit} of {KILLS} kills met a running backup"
    listed = vault.snapshots()
    assert len(listed) >= len(before)
    for one in listed:
        vault.manifest(one["id"])


def test_a_damaged_pack_is_found_and_repaired(vault: Vault) -> None:
    """The check finds it, the message explains it, and the next backup stores its data again."""
    s3 = aws("s3")
    bucket, prefix = vault.location.split("/", 3)[3].split("/", 1)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/data/")["Contents"]
    largest = max(listed, key=lambda one: one["Size"])
    body = bytearray(s3.get_object(Bucket=bucket, Key=largest["Key"])["Body"].read())
    body[len(body) // 3] ^= 0xFF
    s3.put_object(Bucket=bucket, Key=largest["Key"], Body=bytes(body))
    pack = largest["Key"].rsplit("/", 1)[1]
    back_up("-e", "backup_full=true").refused("damaged", pack[:12], "was stored", "playbooks/backup.yml")
    assert vault.memory()["damaged"] == [pack]
    back_up().good()
    assert vault.memory()["damaged"] == []
    assert pack not in vault.restic("list", "packs")
    vault.restic("check", "--read-data")


def test_a_missing_bucket_is_not_recreated_silently(vault: Vault, host: Host) -> None:
    """The message says that the backups are lost."""
    del host
    s3 = aws("s3")
    bucket = f"ragdock-{vault.name}-of-a-test"
    s3.create_bucket(Bucket=bucket)
    back_up("-e", f"ragdock_backup_bucket={bucket}").good()
    for one in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=one["Key"])
    emptied = back_up("-e", f"ragdock_backup_bucket={bucket}")
    emptied.refused("files were deleted", "backup_new_repository=true", STANDS)
    s3.delete_bucket(Bucket=bucket)
    gone = back_up("-e", f"ragdock_backup_bucket={bucket}")
    gone.refused("bucket is gone", "provision.yml", "backup_new_repository=true", STANDS)


def test_a_role_that_is_taken_away_is_named(vault: Vault, host: Host) -> None:
    """The host has no credentials except those of its role."""
    cloud = Cloud(settings.load())
    (instance,) = [one for one in cloud.observe().live if one.tags.get("ragdock:name") == vault.name]
    listed = cloud.ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    (held,) = [one for one in listed if one["InstanceId"] == instance.id]
    profile = held["IamInstanceProfile"]["Arn"]
    cloud.ec2.disassociate_iam_instance_profile(AssociationId=held["AssociationId"])
    ask = (
        f"at={METADATA}\n"
        "t=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $at/api/token)\n"
        "curl -s -o /dev/null -w '%{http_code}' -H \"X-aws-ec2-metadata-token: $t\" "
        "$at/meta-data/iam/security-credentials/"
    )
    try:
        wait_for("the role is gone", lambda: host.shell(ask) == "404")
        back_up().refused("role", "provision.yml", STANDS)
    finally:
        cloud.ec2.associate_iam_instance_profile(IamInstanceProfile={"Arn": profile}, InstanceId=instance.id)
        wait_for("the role is back", lambda: host.shell(ask) == "200")


def test_a_network_that_breaks_in_mid_upload_ends_the_run(vault: Vault, host: Host) -> None:
    """The run fails soon, not after hours of retries."""
    address = vault.location.split("//")[1].split(":")[0]
    host.run("dd", "if=/dev/urandom", f"of={NOISE}", "bs=1M", "count=24", "status=none")
    try:
        run = begun("-e", "ragdock_backup_upload_kib=300", "-e", "backup_stall_seconds=20")
        wait_for("the upload runs", lambda: "restic" in host.run("ps", "-eo", "args") and uploading(host))
        time.sleep(5)
        host.run("ip", "route", "add", "blackhole", f"{address}/32")
        try:
            ended = run.end(600)
        finally:
            host.run("ip", "route", "del", "blackhole", f"{address}/32")
        ended.refused("network", STANDS)
    finally:
        host.run("rm", "-f", NOISE)


def uploading(host: Host) -> bool:
    """Return whether restic is uploading."""
    return " backup --host" in host.run("ps", "-eo", "args")


def test_a_clock_that_jumped_costs_no_backup(vault: Vault) -> None:
    """One backup dated ten years ahead, and one ten years back, were made while the clock was wrong."""
    before = vault.ids()
    made = []
    for year in (2016, 2036):
        words = ["--time", f"{year}-01-01 00:00:00", "--tag", f"backup:{year}0101T000000Z"]
        vault.restic("backup", "--host", vault.name, *words, "/opt/ragdock/current/release.json")
        made.append(f"{year}0101T000000Z")
    try:
        back_up().good()
        ids = vault.ids()
        assert vault.record()["figures"]["id"] in ids
        # The newest backup with a right date stays beside the one dated in the future.
        assert set(ids) & set(before) or len(ids) >= 2
        assert "20360101T000000Z" in ids
    finally:
        for one in vault.snapshots():
            if any(tag.split(":")[-1] in made for tag in one["tags"]):
                vault.restic("forget", one["id"])
