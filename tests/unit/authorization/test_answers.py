"""Each service refuses with its own error codes; some requests are refused, or allowed, for every caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sandbox.aws.people import Keys
from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import JudgedAws
from tests.unit.authorization.conftest import ACCOUNT, ANYTHING, person
from tests.unit.authorization.requests_of import refused

pytestmark = pytest.mark.usefixtures("aws")
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
UNRECOGNIZED = "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "denied", "unknown"),
    [
        ("ec2", "delete_vpc", {"VpcId": "vpc-01234567"}, "UnauthorizedOperation", "AuthFailure"),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", "InvalidAccessKeyId"),
        ("iam", "create_user", {"UserName": "x"}, "AccessDenied", "InvalidClientTokenId"),
        ("sns", "create_topic", {"Name": "x"}, "AuthorizationError", "InvalidClientTokenId"),
        ("ssm", "get_parameter", {"Name": "x"}, "AccessDeniedException", UNRECOGNIZED),
        ("ecr", "describe_images", {"repositoryName": "xx"}, "AccessDeniedException", UNRECOGNIZED),
        ("route53", "delete_hosted_zone", {"Id": "x"}, "AccessDenied", "InvalidClientTokenId"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_services_code(
    aws: JudgedAws,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    denied: str,
    unknown: str,
) -> None:
    """Programs depend on the code."""
    assert refused(getattr(aws.client(service, OPERATOR_KEYS), operation), **parameters)[0] == denied
    assert (
        refused(getattr(aws.client(service, Keys("AKIANOBODY0000000000", "x")), operation), **parameters)[0]
        == unknown
    )


def test_a_refusal_to_a_head_request_has_no_body(aws: JudgedAws) -> None:
    """HTTP requires this."""
    assert refused(aws.client("s3", OPERATOR_KEYS).head_bucket, Bucket="b")[0] == "403"


def test_the_service_says_who_everybody_is(aws: JudgedAws, host: Any) -> None:
    """GetCallerIdentity needs no policy."""
    assert aws.client("sts", OPERATOR_KEYS).get_caller_identity()["Arn"] == OPERATOR
    assert "assumed-role/ragdock-demo-host" in host("sts").get_caller_identity()["Arn"]


def test_an_unsigned_request_is_named(aws: JudgedAws) -> None:
    """A request without a signature is refused as such."""
    assert requests.get(f"{aws.url}/ragdock-demo-{ACCOUNT}/backup/config", timeout=5).status_code == 403
    found = requests.post(aws.url, data={"Action": "DescribeVpcs"}, timeout=5)
    assert (found.status_code, "MissingAuthenticationToken" in found.text) == (403, True)


def test_a_public_object_is_everybodys(aws: JudgedAws) -> None:
    """Amazon's own buckets are read this way."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="published")
    s3.put_object(Bucket="published", Key="agent.deb", Body=b"package", ACL="public-read")
    assert requests.get(f"{aws.url}/published/agent.deb", timeout=5).content == b"package"
    assert requests.put(f"{aws.url}/published/agent.deb", data=b"x", timeout=5).status_code == 403


def test_a_presigned_address_has_the_rights_of_its_maker(aws: JudgedAws) -> None:
    """The signature is in the query."""
    for name, wanted in ((f"ragdock-demo-{ACCOUNT}", 200), ("published", 403)):
        s3 = aws.client("s3", OPERATOR_KEYS, config=Config(signature_version="s3v4"))
        address = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "backup/config"})
        assert requests.get(address, timeout=5).status_code == wanted


def test_a_bucket_can_refuse_who_has_the_right(aws: JudgedAws) -> None:
    """An explicit deny in the bucket's policy wins; one whose condition is not met denies nothing."""
    s3, operator = aws.client("s3"), aws.client("s3", OPERATOR_KEYS)
    bucket = f"ragdock-shut-{ACCOUNT}"
    s3.create_bucket(Bucket=bucket)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    insecure = deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [insecure]}))
    operator.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [insecure, deny]})
    )
    code, message = refused(operator.put_object, Bucket=bucket, Key="k", Body=b"y")
    assert (code, "with an explicit deny" in message) == ("AccessDenied", True)


def test_what_aws_does_not_know_is_refused(aws: JudgedAws) -> None:
    """Even for a user who may do everything."""
    keys = person(aws, "almighty", ANYTHING)
    request = AWSRequest("POST", f"{aws.url}/", {"X-Amz-Target": "AmazonSSM.MakeCoffee"}, b"{}")
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    SigV4Auth(Credentials(*keys), "ssm", "us-east-1").add_auth(request)
    found = requests.post(aws.url, headers=dict(request.headers.items()), data=b"{}", timeout=5)
    assert found.status_code == 400
    assert found.json()["__type"] == "AccessDeniedException"
    assert "AWS has no action ssm:MakeCoffee" in aws.log[-1]


def test_a_refusal_is_in_the_log_with_its_reason(aws: JudgedAws, foreign: str) -> None:
    """Who, which action, on which resource, and which condition was not met."""
    refused(aws.client("ec2", OPERATOR_KEYS).stop_instances, InstanceIds=[foreign])
    assert aws.log[-1] == (
        f"Denied: {OPERATOR} ec2:StopInstances on arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{foreign}: "
        "no statement allows it; ChangeAndRemoveOnlyWhatIsTagged would, "
        "but for StringLike aws:ResourceTag/ragdock:name ['*']"
    )


def test_a_key_that_was_switched_off_is_nobodys(aws: JudgedAws) -> None:
    """For example after somebody has left."""
    keys = person(aws, "leaver", ANYTHING)
    assert aws.client("sts", keys).get_caller_identity()["Arn"].endswith("user/leaver")
    aws.client("iam").update_access_key(UserName="leaver", AccessKeyId=keys.access, Status="Inactive")
    assert refused(aws.client("sts", keys).get_caller_identity)[0] == "InvalidClientTokenId"
