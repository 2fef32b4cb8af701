"""The plan's question to the sandbox's AWS: does the operator have every right?"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from ansible_collections.ragdock.host.plugins.module_utils.aws import rights
from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import REGION, JudgedAws
from tests.unit.authorization.conftest import ACCOUNT
from tests.unit.role_files import ROLES

OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
POLICY = json.loads((ROLES.parent / "docs/policies/operator.json").read_text())
ASKED = rights.questions(POLICY, "demo", REGION, ACCOUNT)


def test_the_operators_policy_has_every_right_that_it_lists(aws: JudgedAws) -> None:
    assert rights.denied(aws.client("iam", OPERATOR_KEYS), OPERATOR, ASKED) == []


def test_a_policy_that_lacks_a_right_is_found_out(aws: JudgedAws) -> None:
    lacking = json.loads(json.dumps(POLICY))
    for statement in lacking["Statement"]:
        if "ec2:RunInstances" in statement["Action"]:
            statement["Action"].remove("ec2:RunInstances")
    iam = aws.client("iam")
    iam.create_user(UserName="lacking")
    iam.put_user_policy(UserName="lacking", PolicyName="rights", PolicyDocument=json.dumps(lacking))
    denied = rights.denied(aws.client("iam", OPERATOR_KEYS), f"arn:aws:iam::{ACCOUNT}:user/lacking", ASKED)
    assert denied == ["ec2:RunInstances"]


def test_a_role_is_asked_about_too(aws: JudgedAws) -> None:
    """The host's role has none of these rights, except those that a host itself uses."""
    role = f"arn:aws:iam::{ACCOUNT}:role/ragdock-demo-host"
    assert "ec2:TerminateInstances" in rights.denied(aws.client("iam", OPERATOR_KEYS), role, ASKED)


def test_nobody_has_no_rights(aws: JudgedAws) -> None:
    with pytest.raises(ClientError, match="Invalid Entity Arn"):
        aws.client("iam").simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/nobody", ActionNames=["ec2:RunInstances"]
        )
