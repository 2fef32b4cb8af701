"""Each fault behaves as AWS does, with AWS's messages, and has no effect when it is off."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.faults.kinds import KINDS
from tests.local_aws import LocalAws, faulty_aws
from tests.unit.role_files import CHECKOUT

IMAGE = "ami-12c6146b"
PROVISIONING = CHECKOUT / "tests/refusals"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS whose faults are all off."""
    with faulty_aws() as local:
        yield local


def impatient(aws: LocalAws, service: str, region: str = "us-east-1") -> Any:
    """A client that does not retry."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=aws.url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


def refused(code: str, message: str = "") -> Any:
    """Expect an AWS error with this code."""
    return pytest.raises(ClientError, match=rf"\({code}\).*{message}")


def subnet(ec2: Any, **more: str) -> Any:
    """Create a subnet in a network of its own."""
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24", **more)["Subnet"]


def launch(ec2: Any, **more: Any) -> Any:
    """Run one instance."""
    one = {"ImageId": IMAGE, "InstanceType": "t3.large", "MinCount": 1, "MaxCount": 1}
    return ec2.run_instances(**one, **more)["Instances"][0]


def test_the_name_of_a_deleted_parameter_is_busy_for_a_while(aws: LocalAws) -> None:
    ssm = impatient(aws, "ssm")
    parameter = {"Name": "/busy", "Value": "x", "Type": "String"}
    with aws.fault("names-busy", 1):
        ssm.put_parameter(**parameter)
        ssm.delete_parameter(Name="/busy")
        with refused("ParameterAlreadyExists"):
            ssm.put_parameter(**parameter)
        with refused("ParameterNotFound"):
            ssm.get_parameter(Name="/busy")
        time.sleep(1.1)
        ssm.put_parameter(**parameter)


def test_ec2_learns_of_a_profile_and_then_of_its_role_later(aws: LocalAws) -> None:
    ec2, iam = impatient(aws, "ec2"), impatient(aws, "iam")
    iam.create_instance_profile(InstanceProfileName="p")
    with aws.fault("profile-delay"):
        for message in ("Invalid IAM Instance Profile name", "has no associated IAM Roles"):
            with refused("InvalidParameterValue", message):
                launch(ec2, IamInstanceProfile={"Name": "p"})
        launch(ec2, IamInstanceProfile={"Name": "p"})


def test_the_zone_that_aws_chooses_does_not_offer_the_type(aws: LocalAws) -> None:
    ec2 = impatient(aws, "ec2")
    with aws.fault("zone-without-type"):
        chosen = subnet(ec2)
        assert chosen["AvailabilityZone"] == "us-east-1a"
        with refused("Unsupported", "not supported in your requested Availability Zone"):
            launch(ec2, SubnetId=chosen["SubnetId"])
        offered = ec2.describe_instance_type_offerings(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["t3.large"]}]
        )["InstanceTypeOfferings"]
        zones = {one["Location"] for one in offered}
        assert "us-east-1b" in zones
        assert "us-east-1a" not in zones
        launch(ec2, SubnetId=subnet(ec2, AvailabilityZone="us-east-1b")["SubnetId"])


def test_an_instance_ends_before_it_runs_and_says_why(aws: LocalAws) -> None:
    ec2 = impatient(aws, "ec2")
    with aws.fault("launch-fails"):
        first = launch(ec2, DisableApiTermination=True)["InstanceId"]
        second = launch(ec2)["InstanceId"]
    seen = {
        one["InstanceId"]: one
        for group in ec2.describe_instances(InstanceIds=[first, second])["Reservations"]
        for one in group["Instances"]
    }
    assert seen[first]["State"]["Name"] == "terminated"
    assert seen[first]["StateReason"] == {
        "Code": "Client.VolumeLimitExceeded",
        "Message": "Volume limit exceeded",
    }
    assert seen[second]["State"]["Name"] == "running"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "RequestLimitExceeded"),
        ("ssm", "describe_parameters", "ThrottlingException"),
        ("iam", "list_roles", "Throttling"),
        ("ecr", "describe_repositories", "ThrottlingException"),
        ("cloudwatch", "describe_alarms", "Throttling.*"),
        ("route53", "list_hosted_zones", "Throttling"),
        ("s3", "list_buckets", "SlowDown"),
    ],
)
def test_every_nth_request_is_one_too_many(aws: LocalAws, service: str, operation: str, code: str) -> None:
    call = getattr(impatient(aws, service), operation)
    with aws.fault("throttling", 2):
        call()
        with refused(code):
            call()
        call()


def test_a_volume_that_grew_cannot_grow_again_yet(aws: LocalAws) -> None:
    ec2 = impatient(aws, "ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1b", Size=10)["VolumeId"]
    with aws.fault("volume-optimizing"):
        ec2.modify_volume(VolumeId=volume, Size=20)
        (one,) = ec2.describe_volumes_modifications(Filters=[{"Name": "volume-id", "Values": [volume]}])[
            "VolumesModifications"
        ]
        assert (one["ModificationState"], one["Progress"]) == ("optimizing", 35)
        with refused("IncorrectModificationState"):
            ec2.modify_volume(VolumeId=volume, Size=30)
    ec2.modify_volume(VolumeId=volume, Size=30)


def test_what_is_new_is_not_found_at_first(aws: LocalAws) -> None:
    ec2, ssm, iam = (impatient(aws, service) for service in ("ec2", "ssm", "iam"))
    with aws.fault("stale-reads"):
        network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        with refused("InvalidVpcID.NotFound"):
            ec2.describe_vpcs(VpcIds=[network])
        ec2.describe_vpcs(VpcIds=[network])
        ssm.put_parameter(Name="/new", Value="x", Type="String")
        with refused("ParameterNotFound"):
            ssm.get_parameter(Name="/new")
        ssm.get_parameter(Name="/new")
        iam.create_role(RoleName="new", AssumeRolePolicyDocument="{}")
        with refused("NoSuchEntity"):
            iam.get_role(RoleName="new")
        iam.get_role(RoleName="new")


def test_an_account_of_the_free_plan_launches_only_what_is_free(aws: LocalAws) -> None:
    ec2, plan = impatient(aws, "ec2"), impatient(aws, "freetier")
    assert plan.get_account_plan_state()["accountPlanType"] == "PAID"
    with aws.fault("free-plan"):
        assert plan.get_account_plan_state()["accountPlanType"] == "FREE"
        with refused("InvalidParameterCombination", "not eligible for Free Tier"):
            launch(ec2)


def test_a_quota_is_used_up(aws: LocalAws) -> None:
    ec2, quotas = impatient(aws, "ec2"), impatient(aws, "service-quotas")
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3"}
    assert quotas.get_service_quota(**asked)["Quota"]["Value"] == 5
    with aws.fault("quota-used-up"):
        assert quotas.get_service_quota(**asked)["Quota"]["Value"] == 0
        with refused("AddressLimitExceeded"):
            ec2.allocate_address()


def test_a_region_that_is_not_enabled_knows_nobody(aws: LocalAws) -> None:
    with aws.fault("region-disabled"):
        with refused("InvalidClientTokenId"):
            impatient(aws, "sts", "af-south-1").get_caller_identity()
        (region,) = impatient(aws, "ec2").describe_regions(RegionNames=["af-south-1"], AllRegions=True)[
            "Regions"
        ]
        assert region["OptInStatus"] == "not-opted-in"


def test_faults_are_switched_over_http(aws: LocalAws) -> None:
    """The command uses the same requests."""
    address = f"{aws.url}/sandbox/faults"
    asked = {"name": "throttling", "state": "on", "number": "7"}
    said = requests.put(address, params=asked, timeout=5).json()
    assert said["faults"] == dict.fromkeys(KINDS) | {"throttling": 7}
    said = requests.put(address, params={"name": "throttling", "state": "off"}, timeout=5).json()
    assert said["faults"] == dict.fromkeys(KINDS)
    unknown = requests.put(address, params={"name": "flood", "state": "on"}, timeout=5)
    assert unknown.status_code == 404
    assert unknown.json()["unknown"] == "flood"


def test_a_deployment_is_provisioned_under_each_fault() -> None:
    """tests/refusals tests that the run completes or says what to do, and that the next run completes."""
    nodes = [one for path in PROVISIONING.glob("*.py") for one in ast.walk(ast.parse(path.read_text()))]
    named = {one.value for one in nodes if isinstance(one, ast.Constant)}
    assert set(KINDS) - named == set()
