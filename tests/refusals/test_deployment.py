"""Under an AWS fault, provisioning completes or says once what to do, and then the next run completes.

Everything runs with the operator's rights only: a missing right fails the run, as it would on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.granted import POLICIES, without_use
from tests.local_aws import JudgedAws, judged_aws

from .conftest import Run
from .test_provision import assert_refused

NAME, DOMAIN = "faulty", "rag.example.org"
MINE = [{"Name": "tag:ragdock:name", "Values": [NAME]}]


@pytest.fixture
def local() -> Iterator[JudgedAws]:
    """A local AWS whose operator has the rights in docs/policies."""
    with judged_aws({name: json.dumps(policy) for name, policy in POLICIES.items()}) as aws:
        aws.client("route53").create_hosted_zone(Name="example.org.", CallerReference="one")
        yield aws


def host(aws: JudgedAws) -> dict[str, Any]:
    """The deployment's one running host."""
    running = {"Name": "instance-state-name", "Values": ["running"]}
    (group,) = aws.client("ec2").describe_instances(Filters=[*MINE, running])["Reservations"]
    (instance,) = group["Instances"]
    return dict(instance)


def data_volume(aws: JudgedAws) -> dict[str, Any]:
    """Its data volume."""
    wanted = [*MINE, {"Name": "tag:ragdock:volume", "Values": ["data"]}]
    (volume,) = aws.client("ec2").describe_volumes(Filters=wanted)["Volumes"]
    return dict(volume)


def test_a_deployment_is_made_and_made_again_and_destroyed_under_faults(
    local: JudgedAws, playbook: Run
) -> None:
    """One long test, because provisioning takes 30 seconds and the rights used are known only at the end.

    Accounts that would refuse (quotas, free plan, regions) are in test_provision.py, which creates nothing.
    """

    def play(name: str, **settings: Any) -> Any:
        ours = {
            "ragdock_name": NAME,
            "ragdock_aws_endpoint_url": local.url,
            "ragdock_ami_ssm_parameter": "/aws/service/debian/release/13/latest/amd64",
            "ragdock_alarm_email": "somebody@example.org",
            "ragdock_domain": DOMAIN,
            "ragdock_acme_email": "somebody@example.org",
            # Two are enough: each service has a repository, and all repositories need the same rights.
            "aws_registry_services": ["rag-app", "opensearch"],
        }
        return playbook(f"playbooks/{name}.yml", timeout=600, **(ours | settings))

    def completes(name: str, **settings: Any) -> str:
        done = play(name, **settings)
        assert done.returncode == 0, "\n".join((*local.log, done.stdout[-4000:], done.stderr[-2000:]))
        return str(done.stdout)

    with local.fault("launch-fails"), local.fault("zone-without-type"):
        assert_refused(
            play("provision"),
            "is terminated and not running (Client.VolumeLimitExceeded: Volume limit exceeded)",
        )

    with ExitStack() as stack:
        stack.enter_context(local.fault("names-busy", 4))
        for fault in ("profile-delay", "zone-without-type", "stale-reads"):
            stack.enter_context(local.fault(fault))
        completes("provision")
    first = host(local)
    assert first["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert local.client("ec2").describe_key_pairs()["KeyPairs"] == []
    metrics = local.client("cloudwatch").list_metrics(Namespace=f"Ragdock/{NAME}")["Metrics"]
    assert sorted(one["MetricName"] for one in metrics) == ["BackupSucceeded", "DriftSucceeded"]

    with local.fault("throttling", 4):
        assert re.findall(r"changed=(\d+)", completes("provision")) == ["0"]

    with local.fault("volume-optimizing"):
        volume = data_volume(local)["VolumeId"]
        local.client("ec2").modify_volume(VolumeId=volume, Size=25)
        refused = play("provision", ragdock_data_volume_gib=30)
    assert_refused(refused, f"has not completed the growth of {volume} to 25 GiB", "(35 %)")

    with local.fault("free-plan"):
        refused = play("provision", ragdock_data_volume_gib=25, aws_host_replace=True)
    assert_refused(
        refused, "AWS would not launch the new host", "not eligible for Free Tier", "was not touched"
    )
    assert host(local)["InstanceId"] == first["InstanceId"]

    # What both faults delayed, and every module once more over the existing resources.
    completes("provision", ragdock_data_volume_gib=30, aws_host_replace=True, everything=True)
    assert host(local)["InstanceId"] != first["InstanceId"]
    assert data_volume(local)["Size"] == 30

    # The settings still say 20 GiB. A volume of 30 GiB cannot shrink, but that must not prevent its removal.
    completes("destroy", confirm=NAME, keep_backups=False)
    assert local.client("ec2").describe_vpcs(Filters=MINE)["Vpcs"] == []
    assert local.log == [], "refused, though no module failed of it"
    asked = {action for who, action in local.asked if who.endswith(":user/operator")}
    # A right that nothing uses is a risk without a benefit.
    assert without_use(asked) == []
