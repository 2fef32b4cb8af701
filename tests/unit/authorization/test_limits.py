"""What limits a principal's rights: session policies, permissions boundaries and resource policies."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import JudgedAws
from tests.unit.authorization.conftest import (
    ACCOUNT,
    ANYTHING,
    SESSION,
    assume,
    document,
    person,
    session_client,
)
from tests.unit.authorization.requests_of import refused

BUCKET = f"ragdock-demo-{ACCOUNT}"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
HOST = f"arn:aws:sts::{ACCOUNT}:assumed-role/ragdock-demo-host/{SESSION}"
PASSWORD = {"Name": "/ragdock/demo/app_password"}
OBJECT = {"Bucket": BUCKET, "Key": "backup/config"}
READ_SECRETS = {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}


class TestASessionPolicy:
    """Whoever requests a session can give it fewer rights than its role has, never more."""

    def test_narrows(self, aws: JudgedAws) -> None:
        given = assume(aws, Policy=document(READ_SECRETS))
        assert session_client(aws, given, "ssm").get_parameter(**PASSWORD)
        code, message = refused(session_client(aws, given, "s3").get_object, **OBJECT)
        assert code == "AccessDenied"
        assert message.endswith("because no session policy allows the s3:GetObject action")

    def test_denies(self, aws: JudgedAws) -> None:
        given = assume(aws, Policy=document(ANYTHING, ANYTHING | {"Effect": "Deny", "Action": "s3:*"}))
        _, message = refused(session_client(aws, given, "s3").get_object, **OBJECT)
        assert message.endswith("with an explicit deny in a session policy")

    def test_widens_nothing(self, aws: JudgedAws) -> None:
        given = assume(aws, Policy=document(ANYTHING))
        _, message = refused(session_client(aws, given, "ec2").describe_instances)
        assert message.endswith("because no identity-based policy allows the ec2:DescribeInstances action")

    def test_may_be_a_managed_one(self, aws: JudgedAws) -> None:
        iam = aws.client("iam")
        made = iam.create_policy(PolicyName="secrets", PolicyDocument=document(READ_SECRETS))
        given = assume(aws, PolicyArns=[{"arn": made["Policy"]["Arn"]}])
        assert session_client(aws, given, "ssm").get_parameter(**PASSWORD)
        assert refused(session_client(aws, given, "s3").get_object, **OBJECT)[0] == "AccessDenied"


def test_the_boundary_of_a_role_narrows_its_sessions(aws: JudgedAws) -> None:
    """Organizations require such a boundary: ragdock_permissions_boundary."""
    iam, role = aws.client("iam"), "ragdock-demo-host"
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document(READ_SECRETS))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=bound)
    try:
        assert session_client(aws, assume(aws), "ssm").get_parameter(**PASSWORD)
        _, message = refused(session_client(aws, assume(aws), "s3").get_object, **OBJECT)
        assert message.endswith("because no permissions boundary allows the s3:GetObject action")
    finally:
        iam.delete_role_permissions_boundary(RoleName=role)


class TestThePolicyOfAResource:
    """Is evaluated in addition to the principal's own policies."""

    def test_trust_decides_who_becomes_a_role(self, aws: JudgedAws) -> None:
        """Even a user who may do everything is refused: the host's role trusts EC2 alone."""
        wanted = {"RoleSessionName": "me", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/trusting"}
        keys = person(aws, "climber", ANYTHING)
        sts, iam = aws.client("sts", keys), aws.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=document(trust))
        code, message = refused(sts.assume_role, **wanted)
        assert code == "AccessDenied"
        assert message.endswith("because no resource-based policy allows the sts:AssumeRole action")
        for principal in (ROOT, f"arn:aws:iam::{ACCOUNT}:user/climber"):
            trusting = document(trust | {"Principal": {"AWS": principal}})
            iam.update_assume_role_policy(RoleName="trusting", PolicyDocument=trusting)
            assert sts.assume_role(**wanted)["Credentials"]

    def test_a_role_that_does_not_trust_ec2_gives_a_host_nothing(self, aws: JudgedAws) -> None:
        """The sandbox acts as EC2 here, and is refused as EC2 would be."""
        iam = aws.client("iam")
        iam.create_role(RoleName="closed", AssumeRolePolicyDocument=document())
        wanted = {"RoleSessionName": SESSION, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/closed"}
        assert refused(aws.client("sts").assume_role, **wanted)[0] == "AccessDenied"

    def test_trust_in_the_account_needs_a_right_besides(self, aws: JudgedAws) -> None:
        """Trust in the account also needs a right of the account's policies; a named user needs none."""
        keys = person(aws, "modest", READ_SECRETS)
        trust = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
        iam = aws.client("iam")
        iam.create_role(RoleName="open", AssumeRolePolicyDocument=document(trust))
        wanted = {"RoleSessionName": "me", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/open"}
        assert refused(aws.client("sts", keys).assume_role, **wanted)[0] == "AccessDenied"
        named = trust | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/modest"}}
        iam.update_assume_role_policy(RoleName="open", PolicyDocument=document(named))
        assert aws.client("sts", keys).assume_role(**wanted)["Credentials"]

    def test_a_repository_can_refuse_the_host(self, aws: JudgedAws, host: Any) -> None:
        name, ecr = "ragdock/demo/rag-app", aws.client("ecr")
        wanted = {"repositoryName": name, "imageIds": [{"imageTag": "one"}]}
        deny = {"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
        assert host("ecr").batch_get_image(**wanted)
        ecr.set_repository_policy(repositoryName=name, policyText=document(deny))
        try:
            _, message = refused(host("ecr").batch_get_image, **wanted)
            assert message.endswith("with an explicit deny in a resource-based policy")
        finally:
            ecr.delete_repository_policy(repositoryName=name)

    @pytest.mark.parametrize(
        "principal", [ROOT, ACCOUNT, HOST, f"arn:aws:iam::{ACCOUNT}:role/ragdock-demo-host"]
    )
    def test_a_bucket_can_refuse_the_account_the_role_or_the_session(
        self, aws: JudgedAws, host: Any, principal: str
    ) -> None:
        s3 = aws.client("s3")
        everything = [f"arn:aws:s3:::{BUCKET}/*"]
        deny = {"Effect": "Deny", "Principal": {"AWS": principal}, "Action": "s3:*", "Resource": everything}
        s3.put_bucket_policy(Bucket=BUCKET, Policy=document(deny))
        try:
            _, message = refused(host("s3").get_object, **OBJECT)
            assert message.endswith("with an explicit deny in a resource-based policy")
        finally:
            s3.delete_bucket_policy(Bucket=BUCKET)

    def test_a_topic_can_refuse_the_operator(self, aws: JudgedAws) -> None:
        topic = aws.client("sns").create_topic(Name="ragdock-demo")["TopicArn"]
        mine = aws.client("sns", OPERATOR_KEYS)
        assert mine.get_topic_attributes(TopicArn=topic)
        deny = {"Effect": "Deny", "Principal": "*", "Action": "sns:GetTopicAttributes", "Resource": topic}
        policy = {"AttributeName": "Policy", "AttributeValue": document(deny)}
        aws.client("sns").set_topic_attributes(TopicArn=topic, **policy)
        assert refused(mine.get_topic_attributes, TopicArn=topic)[0] == "AuthorizationError"

    def test_a_key_has_to_allow_it_itself(self, aws: JudgedAws) -> None:
        """IAM policies apply only if the key's policy trusts the account, as the default one does."""
        kms = aws.client("kms", person(aws, "cryptographer", ANYTHING))
        assert kms.describe_key(KeyId=aws.client("kms").create_key()["KeyMetadata"]["KeyId"])
        allow = {"Effect": "Allow", "Principal": {"AWS": HOST}, "Action": "kms:*", "Resource": "*"}
        closed = aws.client("kms").create_key(Policy=document(allow))["KeyMetadata"]["KeyId"]
        assert refused(kms.describe_key, KeyId=closed)[0] == "AccessDeniedException"

    def test_what_a_bucket_gives_to_a_role_a_session_may_leave_out(self, aws: JudgedAws) -> None:
        """A grant to the session itself applies despite the session policy: IAM's own rule."""
        s3, bucket = aws.client("s3"), "given"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        narrow = session_client(aws, assume(aws, Policy=document(READ_SECRETS)), "s3")
        allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        for principal, has in ((f"arn:aws:iam::{ACCOUNT}:role/ragdock-demo-host", False), (HOST, True)):
            policy = document(allow | {"Principal": {"AWS": principal}})
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)
            assert session_client(aws, assume(aws), "s3").get_object(Bucket=bucket, Key="k")
            if has:
                assert narrow.get_object(Bucket=bucket, Key="k")
            else:
                assert refused(narrow.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
