"""Provisioning under a fault of AWS completes, or says once what to do; then the next run completes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.local_aws import LocalAws, faulty_aws

from .conftest import IMAGE, Run
from .test_provision import assert_refused

NAME = "faulty"
MINE = [{"Name": "tag:ragdock:name", "Values": [NAME]}]


@pytest.fixture
def local() -> Iterator[LocalAws]:
    """A server with faults of its own; what is in it is shared with the others of this process."""
    with faulty_aws() as aws:
        aws.client("ssm").put_parameter(Name=IMAGE, Value="ami-12c6146b", Type="String", Overwrite=True)
        yield aws


def host(aws: LocalAws) -> dict[str, Any]:
    """The deployment's one running host."""
    running = {"Name": "instance-state-name", "Values": ["running"]}
    (group,) = aws.client("ec2").describe_instances(Filters=[*MINE, running])["Reservations"]
    (instance,) = group["Instances"]
    return dict(instance)


def test_a_deployment_comes_to_be_and_stays_under_faults(local: LocalAws, playbook: Run) -> None:
    """One story, because a provisioning takes half a minute."""

    def provision(**settings: Any) -> Any:
        settings = {"ragdock_name": NAME, "ragdock_aws_endpoint_url": local.url} | settings
        return playbook("playbooks/provision.yml", timeout=600, **settings)

    with local.fault("launch-fails"), local.fault("zone-without-type"):
        assert_refused(
            provision(), "is terminated and not running (Client.VolumeLimitExceeded: Volume limit exceeded)"
        )

    with ExitStack() as stack:
        stack.enter_context(local.fault("names-busy", 4))
        for fault in ("profile-delay", "zone-without-type", "stale-reads"):
            stack.enter_context(local.fault(fault))
        done = provision()
    assert done.returncode == 0, done.stdout
    first = host(local)
    assert first["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert local.client("ec2").describe_key_pairs()["KeyPairs"] == []
    metrics = local.client("cloudwatch").list_metrics(Namespace=f"Ragdock/{NAME}")["Metrics"]
    assert sorted(one["MetricName"] for one in metrics) == ["BackupSucceeded", "DriftSucceeded"]

    with local.fault("throttling", 4):
        again = provision()
    assert again.returncode == 0, again.stdout
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0"]

    (volume,) = local.client("ec2").describe_volumes(
        Filters=[*MINE, {"Name": "tag:ragdock:volume", "Values": ["data"]}]
    )["Volumes"]
    with local.fault("volume-optimizing"):
        local.client("ec2").modify_volume(VolumeId=volume["VolumeId"], Size=25)
        refused = provision(ragdock_data_volume_gib=30)
    assert_refused(refused, f"has not completed the growth of {volume['VolumeId']} to 25 GiB", "(35 %)")

    with local.fault("free-plan"):
        refused = provision(ragdock_data_volume_gib=25, aws_host_replace=True)
    assert_refused(
        refused, "AWS would not launch the new host", "not eligible for Free Tier", "was not touched"
    )
    assert host(local)["InstanceId"] == first["InstanceId"]
