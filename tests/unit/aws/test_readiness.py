"""plan.yml names each missing right, and says so when IAM gives no answer."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.ragdock.host.plugins.module_utils.aws import rights
from ansible_collections.ragdock.host.plugins.modules import aws_readiness
from tests.local_aws import LocalAws
from tests.unit.role_files import ROLES

POLICY = json.loads((ROLES.parent / "docs/policies/operator.json").read_text())
USER = "arn:aws:iam::123456789012:user/ops"
FOUND = {
    "account": "123456789012", "caller": USER, "zones": ["eu-central-1a"], "ami_id": "ami-1",
    "root_device": "/dev/xvda", "plan": "PAID",
    "quotas": [{"what": "networks (VPCs)", "figure": "1 of 5 used, 1 needed"}],
}  # fmt: skip
PARAMS = {"name": "demo", "region": "eu-central-1", "preflight": FOUND}
SMALL = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["ec2:Describe*", "ec2:StopInstances"],
            "Resource": "*",
            "Condition": {"StringLike": {"aws:ResourceTag/ragdock:name": "*"}},
        }
    ]
}


@pytest.fixture
def iam() -> Any:
    """A client that sends no request."""
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")


def answers(iam: Any, principal: str = USER, **decisions: str) -> Stubber:
    """IAM's stubbed answer to the one request for the small policy."""
    stub = Stubber(iam)
    stub.add_response(
        "simulate_principal_policy",
        {
            "EvaluationResults": [
                {"EvalActionName": f"ec2:{action}", "EvalDecision": decision}
                for action, decision in decisions.items()
            ]
        },
        {
            "PolicySourceArn": principal,
            "ActionNames": ["ec2:DescribeInstances", "ec2:StopInstances"],
            "ResourceArns": ["*"],
            "ContextEntries": [
                {
                    "ContextKeyName": "aws:ResourceTag/ragdock:name",
                    "ContextKeyType": "string",
                    "ContextKeyValues": ["demo"],
                }
            ],
        },
    )
    stub.activate()
    return stub


def rows(iam: Any, policy: Any = SMALL, **found: Any) -> list[list[str]]:
    """The table's rows."""
    return aws_readiness.rows(iam, PARAMS | {"policy": policy, "preflight": FOUND | found})


def test_a_missing_right_is_named(iam: Any) -> None:
    answers(iam, DescribeInstances="allowed", StopInstances="implicitDeny")
    assert ["rights", "MISSING", "ec2:StopInstances"] in rows(iam)


def test_an_account_with_all_rights_is_ready(iam: Any) -> None:
    answers(iam, DescribeInstances="allowed", StopInstances="allowed")
    found = rows(iam)
    assert ["rights", "ready", "all 2 of docs/policies/operator.json"] in found
    assert {row[1] for row in found} == {"ready"}


def test_a_right_to_ask_that_is_missing_is_no_missing_right(iam: Any) -> None:
    stub = Stubber(iam)
    stub.add_client_error("simulate_principal_policy", "AccessDenied", "not authorized")
    stub.activate()
    (row,) = [row for row in rows(iam) if row[0] == "rights"]
    assert row[1] == "not known"
    assert "needs iam:SimulatePrincipalPolicy" in row[2]


def test_an_aws_that_simulates_nothing_leaves_the_rights_unknown(local: LocalAws) -> None:
    """For example the local AWS, which answers with an HTML error page."""
    (row,) = [row for row in rows(local.client("iam")) if row[0] == "rights"]
    assert row[1] == "not known"


def test_a_session_is_asked_about_by_its_role(iam: Any) -> None:
    """Roles of IAM Identity Center have a path that the session's name does not show."""
    role = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_ops_1"
    stub = Stubber(iam)
    stub.add_response(
        "get_role",
        {
            "Role": {
                "Arn": role, "Path": "/", "RoleName": "AWSReservedSSO_ops_1", "RoleId": "A" * 16,
                "CreateDate": "2026-01-01",
            }
        },
        {"RoleName": "AWSReservedSSO_ops_1"},
    )  # fmt: skip
    stub.activate()
    session = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_ops_1/me"
    assert rights.principal_of(iam, session) == role


def test_each_statement_is_asked_about_a_resource_that_it_covers() -> None:
    """No pattern is left: IAM simulates only exact names."""
    asked = rights.questions(POLICY, "demo", "eu-central-1", "123456789012")
    assert [one for one in asked if "*" in one.resource.strip("*")] == []
    assert [action for one in asked for action in one.actions if "*" in action] == []
    assert "arn:aws:ssm:eu-central-1:123456789012:parameter/ragdock/demo" in [one.resource for one in asked]


def test_a_table_of_everything_is_never_empty(iam: Any) -> None:
    """The root user may do everything, and IAM cannot simulate it."""
    found = rows(iam, POLICY, caller="arn:aws:iam::123456789012:root")
    assert [row[1] for row in found if row[0] == "rights"] == ["ready"]
