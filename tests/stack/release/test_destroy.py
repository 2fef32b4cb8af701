"""Destroying a deployment: never by accident, and what is kept is still there and used again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.backup.vault import aws
from tests.stack.plays import Outcome, beside, play

NAME = "gone"
FRESH = beside(NAME, 78)


def destroy(*arguments: str) -> Outcome:
    """Destroy the fresh deployment."""
    return play("playbooks/destroy.yml", *FRESH, *arguments)


@pytest.fixture
def fresh() -> Iterator[None]:
    """A separate deployment, which is destroyed afterwards."""
    play("playbooks/provision.yml", *FRESH).good()
    yield
    destroy("-e", f"confirm={NAME}", "-e", "keep_backups=false").good()


def tagged() -> dict[str, set[str]]:
    """Map each kind of AWS resource to the deployment's resources."""
    filters = [{"Name": "tag:ragdock:name", "Values": [NAME]}]
    ec2, running = aws("ec2"), {"Name": "instance-state-name", "Values": ["running", "stopped"]}
    hosts = ec2.describe_instances(Filters=[*filters, running])["Reservations"]
    buckets = aws("s3").list_buckets()["Buckets"]
    parameters = aws("ssm").get_parameters_by_path(Path=f"/ragdock/{NAME}/", Recursive=True)["Parameters"]
    return {
        "instances": {one["Instances"][0]["InstanceId"] for one in hosts},
        "volumes": {one["VolumeId"] for one in ec2.describe_volumes(Filters=filters)["Volumes"]},
        "networks": {one["VpcId"] for one in ec2.describe_vpcs(Filters=filters)["Vpcs"]},
        "buckets": {one["Name"] for one in buckets if one["Name"].startswith(f"ragdock-{NAME}-")},
        "secrets": {one["Name"].rsplit("/", 1)[-1] for one in parameters},
    }


@pytest.mark.usefixtures("fresh")
def test_what_is_kept_is_there_and_is_used_again() -> None:
    """A wrong name destroys nothing; data and backups stay on request; the next deployment uses them."""
    before = tagged()
    assert all(before.values()), before
    destroy("-e", "confirm=another").refused(NAME, "confirm")
    destroy("-e", f"confirm={NAME}", "-e", "keep_data=true", "--check").good()
    assert tagged() == before

    outcome = destroy("-e", f"confirm={NAME}", "-e", "keep_data=true").good()
    assert "keep     volume" in outcome.output, outcome.tail()
    kept = tagged()
    assert (kept["instances"], kept["networks"]) == (set(), set())
    assert kept["buckets"] == before["buckets"]
    assert kept["secrets"] == {"restic_password"}
    (volume,) = kept["volumes"]
    assert volume in before["volumes"]

    play("playbooks/provision.yml", *FRESH).good()
    after = tagged()
    assert volume in after["volumes"]
    assert after["buckets"] == before["buckets"]

    outcome = destroy("-e", f"confirm={NAME}", "-e", "keep_backups=false").good()
    assert "keep   " not in outcome.output, outcome.tail()
    assert not any(tagged().values()), tagged()
