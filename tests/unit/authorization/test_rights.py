"""The rights that requests need: one action on one resource each, as AWS checks them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sandbox.aws.authorization import catalog, s3, services
from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.rights import Right
from tests.unit.authorization.requests_of import call_of

ACCOUNT = "123456789012"
HERE = Account(ACCOUNT, "us-east-1")
EC2 = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
SSM = f"arn:aws:ssm:us-east-1:{ACCOUNT}"
TAGS = [{"Key": "ragdock:name", "Value": "demo"}]
HOST, VOL, VPC, SUBNET, SG = (f"{kind}-0123456789abcdef0" for kind in ("i", "vol", "vpc", "subnet", "sg"))
REPOSITORY = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}"
SHELL = "AWS-StartSSHSession"


def rights(service: str, operation: str, **parameters: Any) -> list[Right]:
    """The rights that a boto3 call needs."""
    return services.rights(call_of(service, operation, **parameters), HERE)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "wanted"),
    [
        ("ec2", "describe_instances", {}, ["ec2:DescribeInstances *"]),
        ("ec2", "stop_instances", {"InstanceIds": [HOST]}, [f"ec2:StopInstances {EC2}:instance/{HOST}"]),
        ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}, [f"ec2:CreateVpc {EC2}:vpc/*"]),
        (
            "ec2", "create_subnet", {"CidrBlock": "10.0.0.0/24", "VpcId": VPC},
            [f"ec2:CreateSubnet {EC2}:subnet/*", f"ec2:CreateSubnet {EC2}:vpc/{VPC}"],
        ),
        (
            "ec2", "attach_volume", {"InstanceId": HOST, "VolumeId": VOL, "Device": "/dev/sdf"},
            [f"ec2:AttachVolume {EC2}:instance/{HOST}", f"ec2:AttachVolume {EC2}:volume/{VOL}"],
        ),
        (
            "ec2", "delete_snapshot", {"SnapshotId": "snap-0123456789abcdef0"},
            ["ec2:DeleteSnapshot arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"],
        ),
        ("ec2", "delete_key_pair", {"KeyName": "a"}, [f"ec2:DeleteKeyPair {EC2}:key-pair/a"]),
        ("ec2", "create_tags", {"Resources": [HOST, VOL], "Tags": TAGS},
            [f"ec2:CreateTags {EC2}:instance/{HOST}", f"ec2:CreateTags {EC2}:volume/{VOL}"]),
        ("iam", "get_role", {"RoleName": "r"}, [f"iam:GetRole arn:aws:iam::{ACCOUNT}:role/r"]),
        ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": TAGS},
            [f"iam:CreateRole arn:aws:iam::{ACCOUNT}:role/r", f"iam:TagRole arn:aws:iam::{ACCOUNT}:role/r"]),
        ("iam", "add_role_to_instance_profile", {"RoleName": "r", "InstanceProfileName": "p"},
            [f"iam:AddRoleToInstanceProfile arn:aws:iam::{ACCOUNT}:instance-profile/p",
             f"iam:PassRole arn:aws:iam::{ACCOUNT}:role/r"]),
        ("iam", "list_roles", {}, ["iam:ListRoles *"]),
        ("ssm", "get_parameter", {"Name": "/ragdock/a/b"}, [f"ssm:GetParameter {SSM}:parameter/ragdock/a/b"]),
        ("ssm", "get_parameter", {"Name": "/aws/service/x"},
            ["ssm:GetParameter arn:aws:ssm:us-east-1::parameter/aws/service/x"]),
        ("ssm", "get_parameters_by_path", {"Path": "/ragdock/a/"},
            [f"ssm:GetParametersByPath {SSM}:parameter/ragdock/a/"]),
        ("ssm", "delete_parameters", {"Names": ["/a", "/b"]},
            [f"ssm:DeleteParameters {SSM}:parameter/a", f"ssm:DeleteParameters {SSM}:parameter/b"]),
        ("ssm", "put_parameter", {"Name": "/a", "Value": "v", "Type": "String", "Tags": TAGS},
            [f"ssm:PutParameter {SSM}:parameter/a", f"ssm:AddTagsToResource {SSM}:parameter/a"]),
        ("ssm", "start_session", {"Target": HOST}, [f"ssm:StartSession {EC2}:instance/{HOST}"]),
        ("ssm", "start_session", {"Target": HOST, "DocumentName": SHELL},
            [f"ssm:StartSession {EC2}:instance/{HOST}", f"ssm:StartSession {SSM}:document/{SHELL}"]),
        ("ecr", "get_authorization_token", {}, ["ecr:GetAuthorizationToken *"]),
        ("ecr", "describe_repositories", {},
            [f"ecr:DescribeRepositories {REPOSITORY}/*"]),
        ("ecr", "batch_get_image", {"repositoryName": "a/b", "imageIds": [{"imageTag": "c"}]},
            [f"ecr:BatchGetImage {REPOSITORY}/a/b"]),
        ("ecr", "tag_resource", {"resourceArn": f"{REPOSITORY}/a", "tags": TAGS},
            [f"ecr:TagResource {REPOSITORY}/a"]),
        ("sns", "create_topic", {"Name": "t", "Tags": TAGS},
            [f"sns:CreateTopic {TOPIC}:t", f"sns:TagResource {TOPIC}:t"]),
        ("sns", "unsubscribe", {"SubscriptionArn": f"{TOPIC}:t:0-1"},
            [f"sns:Unsubscribe {TOPIC}:t"]),
        ("cloudwatch", "put_metric_data", {"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1}]},
            ["cloudwatch:PutMetricData *"]),
        ("cloudwatch", "delete_alarms", {"AlarmNames": ["a", "b"]},
            [f"cloudwatch:DeleteAlarms arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:a",
             f"cloudwatch:DeleteAlarms arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:b"]),
        ("resourcegroupstaggingapi", "get_resources", {}, ["tag:GetResources *"]),
        ("route53", "list_resource_record_sets", {"HostedZoneId": "/hostedzone/Z1"},
            ["route53:ListResourceRecordSets arn:aws:route53:::hostedzone/Z1"]),
        ("service-quotas", "get_service_quota", {"ServiceCode": "ec2", "QuotaCode": "L-1"},
            [f"servicequotas:GetServiceQuota arn:aws:servicequotas:us-east-1:{ACCOUNT}:ec2/L-1"]),
        ("iam", "simulate_principal_policy",
            {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/u", "ActionNames": ["s3:GetObject"]},
            [f"iam:SimulatePrincipalPolicy arn:aws:iam::{ACCOUNT}:user/u"]),
        ("freetier", "get_account_plan_state", {}, ["freetier:GetAccountPlanState *"]),
    ],
)  # fmt: skip
def test_a_call_needs_its_action_on_what_it_names(
    service: str, operation: str, parameters: dict[str, Any], wanted: list[str]
) -> None:
    """What is created has no name yet; a call that names no resource needs the right on all of them."""
    assert [f"{one.action} {one.resource}" for one in rights(service, operation, **parameters)] == wanted


@pytest.mark.parametrize(
    ("operation", "parameters", "wanted"),
    [
        ("list_buckets", {}, ["ListAllMyBuckets *"]),
        ("head_bucket", {"Bucket": "b"}, ["ListBucket b"]),
        ("list_objects_v2", {"Bucket": "b"}, ["ListBucket b"]),
        ("list_object_versions", {"Bucket": "b"}, ["ListBucketVersions b"]),
        ("get_public_access_block", {"Bucket": "b"}, ["GetBucketPublicAccessBlock b"]),
        ("get_bucket_encryption", {"Bucket": "b"}, ["GetEncryptionConfiguration b"]),
        ("get_object", {"Bucket": "b", "Key": "a/ö c"}, ["GetObject b/a/ö c"]),
        ("get_object", {"Bucket": "b", "Key": "k", "VersionId": "v"}, ["GetObjectVersion b/k"]),
        ("head_object", {"Bucket": "b", "Key": "k"}, ["GetObject b/k"]),
        ("put_object", {"Bucket": "b", "Key": "k", "Body": b"x"}, ["PutObject b/k"]),
        (
            "put_object",
            {"Bucket": "b", "Key": "k", "ACL": "private", "Tagging": "a=b"},
            ["PutObject b/k", "PutObjectAcl b/k", "PutObjectTagging b/k"],
        ),
        ("create_multipart_upload", {"Bucket": "b", "Key": "k"}, ["PutObject b/k"]),
        (
            "upload_part",
            {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u", "Body": b"x"},
            ["PutObject b/k"],
        ),
        ("delete_object", {"Bucket": "b", "Key": "k"}, ["DeleteObject b/k"]),
        ("delete_object", {"Bucket": "b", "Key": "k", "VersionId": "v"}, ["DeleteObjectVersion b/k"]),
        (
            "delete_object",
            {"Bucket": "b", "Key": "k", "VersionId": "v", "BypassGovernanceRetention": True},
            ["DeleteObjectVersion b/k", "BypassGovernanceRetention b/k"],
        ),
        (
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "v"}]}},
            ["DeleteObject b/k", "DeleteObjectVersion b/l"],
        ),
        (
            "copy_object",
            {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "c", "Key": "ö", "VersionId": "v"}},
            ["PutObject b/k", "GetObjectVersion c/ö"],
        ),
        (
            "create_bucket",
            {"Bucket": "b", "ObjectLockEnabledForBucket": True},
            ["CreateBucket b", "PutBucketObjectLockConfiguration b", "PutBucketVersioning b"],
        ),
    ],
)
def test_s3_has_names_of_its_own(operation: str, parameters: dict[str, Any], wanted: list[str]) -> None:
    """A right on a bucket is not one on its objects, and a version of an object needs another right."""
    found = rights("s3", operation, **parameters)
    assert [f"{one.action}:{one.resource}" for one in found] == [
        f"s3:{action}:" + ("*" if name == "*" else f"arn:aws:s3:::{name}")
        for action, _, name in (one.partition(" ") for one in wanted)
    ]


def test_every_renamed_action_of_s3_is_one_of_awss() -> None:
    """A typo would deny the action for ever."""
    names = {*s3.RENAMED.values(), *s3.BESIDES.values(), *sum(s3.OF_A_NEW_BUCKET.values(), ())}
    names |= {s3.versioned(name) for name in s3.VERSIONED}
    assert {name for name in names if catalog.kinds(f"s3:{name}") is None} == set()


def test_a_launch_asks_for_each_of_its_resources() -> None:
    """The subnet, group and image it names, the disk and interface it creates, the tags and the role."""
    found = rights(
        "ec2",
        "run_instances",
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.large",
        KeyName="key",
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": SUBNET, "Groups": [SG]}],
        IamInstanceProfile={"Name": "profile"},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": TAGS},
            {"ResourceType": "volume", "Tags": [{"Key": "other", "Value": "x"}]},
        ],
    )
    assert {f"{one.action} {one.resource}" for one in found} == {
        "ec2:RunInstances arn:aws:ec2:us-east-1::image/ami-0123456789abcdef0",
        *(
            f"ec2:RunInstances {EC2}:{one}"
            for one in (
                "instance/*",
                "key-pair/key",
                "network-interface/*",
                f"security-group/{SG}",
                f"subnet/{SUBNET}",
                "volume/*",
            )
        ),
        f"ec2:CreateTags {EC2}:instance/*",
        f"ec2:CreateTags {EC2}:volume/*",
        f"iam:PassRole arn:aws:iam::{ACCOUNT}:role/*",
    }
    by_name = {f"{one.action} {one.resource}": one for one in found}
    launched, tagged = (
        by_name[f"ec2:RunInstances {EC2}:instance/*"],
        by_name[f"ec2:CreateTags {EC2}:volume/*"],
    )
    assert launched.request_tags == {"ragdock:name": "demo"}
    assert launched.keys == {"ec2:InstanceType": "t3.large"}
    assert (tagged.request_tags, tagged.keys) == ({"other": "x"}, {"ec2:CreateAction": "RunInstances"})
    assert by_name[f"iam:PassRole arn:aws:iam::{ACCOUNT}:role/*"].keys == {
        "iam:PassedToService": "ec2.amazonaws.com"
    }


def test_a_filter_or_user_data_names_nothing_that_is_worked_on() -> None:
    """An identifier in a filter or in user data is only text."""
    found = rights("ec2", "create_tags", Resources=[HOST], Tags=[{"Key": "volume", "Value": VOL}])
    assert [one.resource for one in found] == [f"{EC2}:instance/{HOST}"]


def test_keys_of_a_lock_are_the_requests() -> None:
    """A policy can then limit for how many days the host may lock an object."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=14, minutes=-1)
    (found,) = rights(
        "s3",
        "put_object_retention",
        Bucket="b",
        Key="k",
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until},
    )
    assert found.keys == {
        "s3:object-lock-mode": "GOVERNANCE",
        "s3:object-lock-remaining-retention-days": "14",
    }


def test_whether_a_session_names_its_document_is_a_key() -> None:
    """A session without a document opens a shell."""
    for more, wanted in (({}, "false"), ({"DocumentName": SHELL}, "true")):
        found = rights("ssm", "start_session", Target=HOST, **more)
        assert {one.keys["ssm:SessionDocumentAccessCheck"] for one in found} == {wanted}
