"""Requests that the sandbox's AWS refuses under the deployed rights, and the messages it gives."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.judge import Judge
from sandbox.aws.people import Keys
from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import ADMINISTRATOR, REGION, JudgedAws
from tests.unit.authorization.conftest import ACCOUNT, IMAGE, TRUST, tagged
from tests.unit.authorization.requests_of import environ_of, refused

pytestmark = pytest.mark.usefixtures("aws")
TAG = [{"Key": "ragdock:name", "Value": "mine-now"}]
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
NEW_POLICY = {"PolicyName": "more", "PolicyDocument": "{}"}
ONE = [{"imageTag": "one"}]
SSH = "AWS-StartSSHSession"


def passes(service: str, operation: str, keys: Keys = OPERATOR_KEYS, **parameters: Any) -> bool:
    """Return whether a request would reach the AWS APIs; for operations that moto lacks."""
    reached: list[bool] = []

    def behind(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reached.append(True)
        start_response("200 OK", [])
        return [b""]

    judge = Judge(behind, Account(ACCOUNT, REGION), ADMINISTRATOR, log=lambda _: None)
    environ, _ = environ_of(service, operation, keys, **parameters)
    b"".join(judge(environ, lambda *_: None))
    return bool(reached)


class TestTheHost:
    """Its role reaches its own deployment and no other in the account."""

    def test_reads_its_own(self, host: Any) -> None:
        """Without this, the refusals tested below would prove nothing."""
        assert host("ssm").get_parameter(Name="/ragdock/demo/app_password")["Parameter"]["Value"]
        assert (
            host("s3").get_object(Bucket=f"ragdock-demo-{ACCOUNT}", Key="backup/config")["Body"].read()
            == b"demo"
        )
        assert host("s3").list_objects_v2(Bucket=f"ragdock-demo-{ACCOUNT}")["KeyCount"] == 1
        assert host("ecr").batch_get_image(
            repositoryName="ragdock/demo/rag-app", imageIds=[{"imageTag": "one"}]
        )
        assert host("ecr").get_authorization_token()["authorizationData"]

    @pytest.mark.parametrize(
        ("service", "operation", "parameters"),
        [
            ("ssm", "get_parameter", {"Name": "/ragdock/other/app_password"}),
            ("ssm", "get_parameters_by_path", {"Path": "/ragdock/other"}),
            ("ssm", "get_parameters_by_path", {"Path": "/", "Recursive": True}),
            ("ssm", "put_parameter", {"Name": "/ragdock/demo/app_password", "Value": "x", "Overwrite": True}),
            ("s3", "get_object", {"Bucket": f"ragdock-other-{ACCOUNT}", "Key": "backup/config"}),
            ("s3", "list_objects_v2", {"Bucket": f"ragdock-other-{ACCOUNT}"}),
            ("s3", "put_object", {"Bucket": f"ragdock-demo-{ACCOUNT}", "Key": "elsewhere", "Body": b"x"}),
            ("s3", "list_buckets", {}),
            ("ecr", "batch_get_image", {"repositoryName": "ragdock/other/rag-app", "imageIds": ONE}),
            ("ecr", "batch_delete_image", {"repositoryName": "ragdock/demo/rag-app", "imageIds": ONE}),
            ("ec2", "describe_instances", {}),
            ("iam", "put_role_policy", {"RoleName": "ragdock-demo-host"} | NEW_POLICY),
            ("sts", "assume_role", {"RoleArn": f"{ROLE}/ragdock-other-host", "RoleSessionName": "me"}),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_is_refused_what_is_not(
        self, host: Any, service: str, operation: str, parameters: dict[str, Any]
    ) -> None:
        """Another deployment's secrets, backups and images, and anything that would give it more rights."""
        code, message = refused(getattr(host(service), operation), **parameters)
        assert code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
        assert (
            f"assumed-role/ragdock-demo-host/i-0123456789abcdef0 is not authorized to perform: {service}:"
            in message
        )

    def test_snapshots_only_its_own_disks(self, aws: JudgedAws, host: Any) -> None:
        """The volume must have the tag, and the request must tag the snapshot."""
        ec2, zone = aws.client("ec2"), "us-east-1a"
        own = ec2.create_volume(
            Size=1, AvailabilityZone=zone, TagSpecifications=tagged("volume", ragdock_name="demo")
        )
        other = ec2.create_volume(
            Size=1, AvailabilityZone=zone, TagSpecifications=tagged("volume", ragdock_name="other")
        )
        named = {"TagSpecifications": tagged("snapshot", ragdock_name="demo", ragdock_purpose="before-patch")}
        made = host("ec2").create_snapshot(VolumeId=own["VolumeId"], **named)
        assert (
            refused(host("ec2").create_snapshot, VolumeId=other["VolumeId"], **named)[0]
            == "UnauthorizedOperation"
        )
        assert refused(host("ec2").create_snapshot, VolumeId=own["VolumeId"])[0] == "UnauthorizedOperation"
        host("ec2").delete_snapshot(SnapshotId=made["SnapshotId"])

    def test_writes_metrics_into_its_own_namespace(self, host: Any) -> None:
        """Otherwise it could silence another deployment's alarms."""
        data = [{"MetricName": "m", "Value": 1.0}]
        host("cloudwatch").put_metric_data(Namespace="Ragdock/demo", MetricData=data)
        code, _ = refused(host("cloudwatch").put_metric_data, Namespace="Ragdock/other", MetricData=data)
        assert code.startswith("AccessDenied")


class TestTheOperator:
    """Reaches what has the tag, and nothing else in the account."""

    @pytest.mark.parametrize("operation", ["stop_instances", "terminate_instances", "reboot_instances"])
    def test_cannot_touch_an_instance_without_the_tag(
        self, aws: JudgedAws, foreign: str, operation: str
    ) -> None:
        """The message is the one that AWS gives."""
        call = getattr(aws.client("ec2", OPERATOR_KEYS), operation)
        code, message = refused(call, InstanceIds=[foreign])
        action = "ec2:" + "".join(word.capitalize() for word in operation.split("_"))
        assert code == "UnauthorizedOperation"
        assert message == (
            f"You are not authorized to perform this operation. User: {OPERATOR} is not authorized "
            f"to perform: {action} on resource: arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{foreign} "
            f"because no identity-based policy allows the {action} action"
        )

    def test_cannot_give_it_the_tag(self, aws: JudgedAws, foreign: str) -> None:
        """Otherwise the boundary could be bypassed: tag the instance first, then terminate it."""
        ec2 = aws.client("ec2", OPERATOR_KEYS)
        assert refused(ec2.create_tags, Resources=[foreign], Tags=TAG)[0] == "UnauthorizedOperation"
        assert (
            "Tags"
            not in aws.client("ec2").describe_instances(InstanceIds=[foreign])["Reservations"][0][
                "Instances"
            ][0]
        )

    def test_stops_and_tags_a_host(self, aws: JudgedAws, own: str) -> None:
        """The same rights allow both."""
        ec2 = aws.client("ec2", OPERATOR_KEYS)
        ec2.stop_instances(InstanceIds=[own])
        ec2.start_instances(InstanceIds=[own])
        ec2.create_tags(Resources=[own], Tags=[{"Key": "Name", "Value": "x"}])

    def test_cannot_touch_one_of_both_in_one_request(self, aws: JudgedAws, own: str, foreign: str) -> None:
        """The right is checked for each resource."""
        ec2 = aws.client("ec2", OPERATOR_KEYS)
        assert refused(ec2.stop_instances, InstanceIds=[own, foreign])[0] == "UnauthorizedOperation"

    def test_tags_what_it_makes(self, aws: JudgedAws) -> None:
        """Only in the request that creates the resource."""
        ec2 = aws.client("ec2", OPERATOR_KEYS)
        made = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tagged("vpc", ragdock_name="demo"))
        ec2.delete_vpc(VpcId=made["Vpc"]["VpcId"])
        bare = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        assert refused(ec2.create_tags, Resources=[bare], Tags=TAG)[0] == "UnauthorizedOperation"

    def test_removes_the_key_pair_of_an_earlier_version(self, aws: JudgedAws) -> None:
        """Earlier versions imported a tagged key pair; today none is imported."""
        ec2 = aws.client("ec2", OPERATOR_KEYS)
        material = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFRJa9bqUIbJlqWaaAbiGPYzVfNGWqwSgvMmmjQMwqTG"
        tags = tagged("key-pair", ragdock_name="demo")
        aws.client("ec2").import_key_pair(KeyName="old", PublicKeyMaterial=material, TagSpecifications=tags)
        aws.client("ec2").import_key_pair(KeyName="somebody's", PublicKeyMaterial=material)
        ec2.delete_key_pair(KeyName="old")
        assert refused(ec2.delete_key_pair, KeyName="somebody's")[0] == "UnauthorizedOperation"
        code, _ = refused(ec2.import_key_pair, KeyName="new", PublicKeyMaterial=material)
        assert code == "UnauthorizedOperation"

    def test_launches_a_host_with_its_role_and_no_other(self, aws: JudgedAws) -> None:
        """The PassRole right is checked for the role in the profile."""
        iam, ec2 = aws.client("iam"), aws.client("ec2", OPERATOR_KEYS)
        iam.create_role(RoleName="admin", AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName="admin")
        iam.add_role_to_instance_profile(InstanceProfileName="admin", RoleName="admin")
        launch = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1}
        ec2.run_instances(**launch, IamInstanceProfile={"Name": "ragdock-demo-host"})
        code, message = refused(ec2.run_instances, **launch, IamInstanceProfile={"Name": "admin"})
        assert code == "UnauthorizedOperation"
        assert f"iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/admin" in message

    def test_opens_no_shell(self, own: str) -> None:
        """A session that names no document opens a shell."""
        assert not passes("ssm", "start_session", Target=own)
        assert not passes("ssm", "start_session", Target=own, DocumentName="AWS-StartInteractiveCommand")

    def test_reaches_hosts_by_ssh(self, own: str, foreign: str) -> None:
        """Only hosts can be reached."""
        assert passes("ssm", "start_session", Target=own, DocumentName=SSH)
        assert not passes("ssm", "start_session", Target=foreign, DocumentName=SSH)

    def test_ends_its_own_sessions(self) -> None:
        """Sessions of other users are refused: a session's id begins with the user's name."""
        name = Account(ACCOUNT, REGION).name_of(OPERATOR_KEYS.access)
        assert passes("ssm", "terminate_session", SessionId=f"{name}-0123456789abcdef0")
        assert not passes("ssm", "terminate_session", SessionId="somebody-0123456789abcdef0")

    @pytest.mark.parametrize(
        ("service", "operation", "parameters"),
        [
            ("iam", "create_user", {"UserName": "x"}),
            ("iam", "put_user_policy", {"UserName": "operator"} | NEW_POLICY),
            ("iam", "put_role_policy", {"RoleName": "admin"} | NEW_POLICY),
            ("s3", "create_bucket", {"Bucket": "somebody"}),
            ("ssm", "get_parameter", {"Name": "/somebody/password"}),
            ("ecr", "create_repository", {"repositoryName": "somebody"}),
            ("sns", "create_topic", {"Name": "somebody"}),
            ("sts", "assume_role", {"RoleArn": f"{ROLE}/ragdock-demo-host", "RoleSessionName": "me"}),
            ("rds", "describe_db_instances", {}),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_is_refused_everything_else(
        self, service: str, operation: str, parameters: dict[str, Any]
    ) -> None:
        """Other names, other services, and more rights for itself."""
        assert not passes(service, operation, **parameters)

    def test_may_ask_what_it_may_do(self) -> None:
        """The plan only reads: quotas and offers here, rights in test_simulation.py."""
        assert passes("service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode="L-1216C47A")
        assert passes("ec2", "describe_instance_type_offerings")
        assert passes("freetier", "get_account_plan_state")
