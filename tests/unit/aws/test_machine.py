"""What a new host needs from AWS is checked before it is launched."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.action import aws_preflight
from ansible_collections.ragdock.host.plugins.module_utils.aws import limits, machine, read_ec2, read_services
from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError
from ansible_collections.ragdock.host.plugins.modules import aws_launch_check
from tests.local_aws import LocalAws

IMAGE = "ami-12c6146b"
LAUNCH = {"image": IMAGE, "instance_type": "t3.large", "profile": "tried", "tags": {"ragdock:name": "m"}}


@pytest.fixture
def ec2(local: LocalAws) -> Any:
    """A client of EC2."""
    return local.client("ec2")


def test_only_zones_that_offer_the_type_are_chosen_from(local: LocalAws, ec2: Any) -> None:
    """The zones are sorted, so that two runs choose the same one."""
    zones = machine.zones_of(ec2, "t3.large", "us-east-1")
    assert zones == sorted(zones)
    assert "us-east-1e" not in zones
    with local.fault("zone-without-type"):
        assert machine.zones_of(ec2, "t3.large", "us-east-1") == [z for z in zones if z != "us-east-1a"]


def test_the_name_of_an_images_root_device_is_read(ec2: Any) -> None:
    """It is /dev/xvda on Debian's images and something else on many others."""
    assert machine.root_device_of(ec2, IMAGE, 8, "us-east-1") == "/dev/sda1"
    with pytest.raises(RefusalError, match="needs a root volume of 8 GiB, but ragdock_root_volume_gib is 7"):
        machine.root_device_of(ec2, IMAGE, 7, "us-east-1")


def test_a_quota_that_aws_does_not_tell_refuses_nothing() -> None:
    """The operator may lack the right to read it."""
    unknown = limits.Quota("networks (VPCs)", "vpc", "L-F678F1CE", 5, 1, None)
    limits.assert_room([unknown], "us-east-1")
    assert unknown.figure == "5 of an unknown limit used, 1 needed"
    with pytest.raises(RefusalError, match="--quota-code L-F678F1CE --desired-value 6"):
        limits.assert_room([unknown._replace(limit=5.0)], "us-east-1")


def test_what_the_deployment_has_already_needs_no_more(ec2: Any, local: LocalAws) -> None:
    """An account may be at its limit because of this very deployment."""
    kind = machine.type_of(ec2, "t3.large", "us-east-1")
    before = {one.what: one for one in limits.quotas_of(local.client, "limited", [kind])}
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "ragdock:name", "Value": "limited"}]}]
    network = ec2.create_vpc(CidrBlock="10.7.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    after = {one.what: one for one in limits.quotas_of(local.client, "limited", [kind])}
    what = "networks (VPCs)"
    assert (before[what].more, after[what].more) == (1, 0)
    assert after[what].used == before[what].used + 1
    ec2.delete_vpc(VpcId=network)


def test_a_growth_that_goes_on_is_seen_until_it_is_complete(local: LocalAws, ec2: Any) -> None:
    tags = [
        {"Key": key, "Value": value}
        for key, value in {"ragdock:name": "grow", "ragdock:volume": "data"}.items()
    ]
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=10, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )["VolumeId"]

    def growth() -> Any:
        found = read_ec2.host(ec2, "grow")["data_volume"]
        assert found
        return found["modification"]

    assert growth() == {"in_progress": False, "progress": 100, "since": ""}
    with local.fault("volume-optimizing"):
        ec2.modify_volume(VolumeId=volume, Size=20)
        assert (growth()["in_progress"], growth()["progress"]) == (True, 35)
    assert not growth()["in_progress"]


def test_a_launch_is_tried_without_one(local: LocalAws, ec2: Any) -> None:
    """A dry run launches nothing and reports what AWS would refuse."""
    local.client("iam").create_instance_profile(InstanceProfileName="tried")
    network = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
    launch = LAUNCH | {"subnet": subnet}
    assert aws_launch_check.objection(ec2, launch) == ""
    with local.fault("free-plan"):
        assert "not eligible for Free Tier" in aws_launch_check.objection(ec2, launch)
    filters = [{"Name": "subnet-id", "Values": [subnet]}]
    assert ec2.describe_instances(Filters=filters)["Reservations"] == []


def test_the_boundary_of_a_role_is_read(local: LocalAws) -> None:
    """So that a run can correct a boundary that differs."""
    iam = local.client("iam")
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    iam.create_role(RoleName="bounded", AssumeRolePolicyDocument="{}", PermissionsBoundary=boundary)
    iam.create_role(RoleName="free", AssumeRolePolicyDocument="{}")
    for role, expected in (("bounded", boundary), ("free", "")):
        found = read_services.identity(iam, role, "host")["role"]
        assert found
        assert found["boundary"] == expected


def test_preflight_finds_the_running_host_with_its_volumes(ec2: Any) -> None:
    """Each playbook that works on the host needs it; a separate module would take another second."""
    [made] = ec2.run_instances(
        ImageId=IMAGE, InstanceType="t3.large", MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "ragdock:name", "Value": "found"}]}],
    )["Instances"]  # fmt: skip
    try:
        [host] = aws_preflight.hosts_of(ec2, "found")
        found = aws_preflight.addressed(host)
        assert found["instance_id"] == made["InstanceId"]
        assert found["private_ip"] == made["PrivateIpAddress"]
        assert found["volumes"]["/dev/sda1"].startswith("vol-")
    finally:
        ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert aws_preflight.hosts_of(ec2, "found") == []
