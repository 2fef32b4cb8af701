"""Provisioning under a fault of AWS completes, or says once what to do; then the next run completes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .conftest import Deployments, Run
from .test_provision import assert_refused

PROVISION = "playbooks/provision.yml"


@pytest.fixture
def own(aws: Deployments, playbook: Run, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Provisions a deployment of the test's own, and destroys it at the end."""
    name = f"fault-{abs(hash(request.node.name)) % 10**8}"

    def run(play: str = PROVISION, **settings: Any) -> Any:
        return playbook(play, timeout=600, ragdock_name=name, **settings)

    run.name = name  # type: ignore[attr-defined]
    yield run
    run("playbooks/destroy.yml", confirm=name, keep_backups=False)
    assert aws.made(name) == []


def assert_done(result: Any) -> None:
    """The run ended well."""
    assert result.returncode == 0, result.stdout + result.stderr


def host(aws: Deployments, name: str) -> dict[str, Any]:
    """The deployment's one running host."""
    filters = [
        {"Name": "tag:ragdock:name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    (group,) = aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
    (instance,) = group["Instances"]
    return dict(instance)


def changed(result: Any) -> int:
    """How many tasks changed something."""
    return int(re.findall(r"changed=(\d+)", result.stdout)[-1])


def test_delays_and_a_bad_zone_end_no_run(aws: Deployments, own: Any) -> None:
    """And the next run, without them, has nothing to do."""
    with ExitStack() as stack:
        for fault in ("profile-delay", "zone-without-type", "stale-reads"):
            stack.enter_context(aws.fault(fault))
        assert_done(own())
    running = host(aws, own.name)
    assert running["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert running["RootDeviceName"] == "/dev/sda1"
    assert aws.client("ec2").describe_key_pairs()["KeyPairs"] == []
    metrics = aws.client("cloudwatch").list_metrics(Namespace=f"Ragdock/{own.name}")["Metrics"]
    assert sorted(one["MetricName"] for one in metrics) == ["BackupSucceeded", "DriftSucceeded"]
    again = own()
    assert_done(again)
    assert changed(again) == 0


def test_throttled_requests_are_repeated(aws: Deployments, own: Any) -> None:
    with aws.fault("throttling", 5):
        assert_done(own())


def test_a_host_that_ends_before_it_runs_is_reported_and_the_next_run_launches_one(
    aws: Deployments, own: Any
) -> None:
    with aws.fault("launch-fails"):
        assert_refused(
            own(), "is terminated and not running (Client.VolumeLimitExceeded: Volume limit exceeded)"
        )
    assert_done(own())
    host(aws, own.name)


def test_a_replacement_that_aws_would_refuse_leaves_the_old_host(aws: Deployments, own: Any) -> None:
    """Before the old host is stopped."""
    assert_done(own())
    before = host(aws, own.name)["InstanceId"]
    with aws.fault("free-plan"):
        refused = own(aws_host_replace=True)
    assert_refused(
        refused, "AWS would not launch the new host", "not eligible for Free Tier", "was not touched"
    )
    assert host(aws, own.name)["InstanceId"] == before
    with aws.fault("volume-optimizing"):
        assert_done(own(ragdock_data_volume_gib=25))
        assert_refused(
            own(ragdock_data_volume_gib=30),
            "AWS has not completed the growth",
            "25 GiB",
            "(35 %)",
            "Then run this again",
        )
    assert_done(own(ragdock_data_volume_gib=30, aws_host_replace=True))
    assert host(aws, own.name)["InstanceId"] != before
