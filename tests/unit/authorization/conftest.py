"""A local AWS with two deployments, an operator, and an instance and a role of another owner."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sandbox.aws.people import Keys
from tests.local_aws import REGION, JudgedAws, judged_aws
from tests.unit.aws.test_host_policy import rendered
from tests.unit.role_files import ROLES

ACCOUNT = "123456789012"
OPERATOR_POLICIES = {path.stem: path.read_text() for path in (ROLES.parent / "docs/policies").glob("*.json")}
# One of the images that moto knows.
IMAGE = "ami-12c6146b"
# The trust policy of our hosts, as it is deployed.
TRUSTS_EC2 = (ROLES / "aws_identity/templates/trust.json.j2").read_text()
TRUST = '{"Version": "2012-10-17", "Statement": []}'
SESSION = "i-0123456789abcdef0"
ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def tagged(kind: str, **tags: str) -> list[dict[str, Any]]:
    """Tags for a new resource."""
    return [
        {
            "ResourceType": kind,
            "Tags": [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()],
        }
    ]


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def host_policy(name: str) -> str:
    """The rights of a deployment's host."""
    values = {
        "ragdock_name": name,
        "ragdock_region": REGION,
        "_aws_identity_scope": f"{REGION}:{ACCOUNT}",
        "aws_storage_bucket": f"ragdock-{name}-{ACCOUNT}",
    }
    files = [path.name.removesuffix(".json.j2") for path in (ROLES / "aws_identity/templates").glob("*.j2")]
    statements = [one for file in files if file != "trust" for one in rendered(file, **values)]
    return document(*statements)


def deploy(aws: JudgedAws, name: str) -> None:
    """Create those parts of a deployment that others could want to reach."""
    role = f"ragdock-{name}-host"
    iam = aws.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUSTS_EC2)
    iam.put_role_policy(RoleName=role, PolicyName="host", PolicyDocument=host_policy(name))
    iam.create_instance_profile(InstanceProfileName=role)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    aws.client("ssm").put_parameter(Name=f"/ragdock/{name}/app_password", Value=name, Type="SecureString")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=f"ragdock-{name}-{ACCOUNT}")
    s3.put_object(Bucket=f"ragdock-{name}-{ACCOUNT}", Key="backup/config", Body=name.encode())
    aws.client("ecr").create_repository(repositoryName=f"ragdock/{name}/rag-app")


@pytest.fixture(scope="module")
def aws() -> Iterator[JudgedAws]:
    """The local AWS."""
    with judged_aws(OPERATOR_POLICIES) as found:
        deploy(found, "demo")
        deploy(found, "other")
        yield found


def launch(aws: JudgedAws, **tags: str) -> str:
    """An instance that the administrator launches."""
    ec2 = aws.client("ec2")
    more = {"TagSpecifications": tagged("instance", **tags)} if tags else {}
    made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, **more)
    return str(made["Instances"][0]["InstanceId"])


@pytest.fixture(scope="module")
def own(aws: JudgedAws) -> str:
    """A host of a deployment."""
    return launch(aws, ragdock_name="demo")


@pytest.fixture(scope="module")
def foreign(aws: JudgedAws) -> str:
    """An instance of another owner in the same account."""
    return launch(aws)


@pytest.fixture(scope="module")
def host(aws: JudgedAws) -> Any:
    """Makes a client with the rights of `demo`'s host, as the metadata service hands them out."""
    return partial(session_client, aws, assume(aws))


def assume(aws: JudgedAws, made: dt.timedelta = dt.timedelta(), **parameters: Any) -> dict[str, Any]:
    """Credentials of a session of that host's role; MADE is the clock error of the requesting machine."""
    wanted = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/ragdock-demo-host", "RoleSessionName": SESSION}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: dt.datetime.now(dt.UTC) + made)
        return dict(aws.client("sts").assume_role(**(wanted | parameters))["Credentials"])


def session_client(aws: JudgedAws, given: dict[str, Any], service: str) -> Any:
    """A client with the credentials of a session."""
    keys = Keys(given["AccessKeyId"], given["SecretAccessKey"])
    return aws.client(service, keys, token=given["SessionToken"])


def person(aws: JudgedAws, name: str, *statements: dict[str, Any]) -> Keys:
    """The keys of a new user with these rights."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document(*statements))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])
