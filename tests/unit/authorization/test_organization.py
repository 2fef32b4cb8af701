"""An account's organization has policies that nobody in the account can override."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import JudgedAws, judged_aws
from tests.unit.authorization.conftest import (
    ACCOUNT,
    ANYTHING,
    OPERATOR_POLICIES,
    assume,
    deploy,
    document,
    person,
    session_client,
)
from tests.unit.authorization.requests_of import refused

OBJECT = {"Bucket": f"ragdock-demo-{ACCOUNT}", "Key": "backup/config"}
PASSWORD = {"Name": "/ragdock/demo/app_password"}


def written(path: Path, *statements: dict[str, Any]) -> None:
    """Write a control policy into the folder."""
    path.write_text(document(*statements))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of control policies."""
    return tmp_path_factory.mktemp("organization")


@pytest.fixture(scope="module")
def member(folder: Path) -> Iterator[JudgedAws]:
    """An account of the organization."""
    with judged_aws(OPERATOR_POLICIES, folder) as found:
        deploy(found, "demo")
        yield found


@pytest.fixture(autouse=True)
def _nothing_stays(folder: Path) -> Iterator[None]:
    yield
    for path in folder.glob("*"):
        path.unlink()


def test_one_that_has_none_forbids_nothing(member: JudgedAws) -> None:
    assert member.client("ec2", OPERATOR_KEYS).describe_vpcs()


def test_it_denies_what_every_policy_allows(member: JudgedAws, folder: Path) -> None:
    """It takes effect at once, without a sandbox restart. Other rights stay, as FullAWSAccess gives them."""
    almighty = member.client("ec2", person(member, "almighty", ANYTHING))
    written(folder / "network.json", ANYTHING | {"Effect": "Deny", "Action": "ec2:CreateVpc"})
    code, message = refused(almighty.create_vpc, CidrBlock="10.0.0.0/16")
    assert code == "UnauthorizedOperation"
    assert message.endswith("with an explicit deny in a service control policy")
    assert almighty.describe_vpcs()
    member.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")


def test_it_may_name_what_is_allowed_at_all(member: JudgedAws, folder: Path) -> None:
    """The policy lists the only services that are allowed."""
    written(folder / "only.json", ANYTHING | {"Action": ["ssm:*", "sts:*"]})
    session = assume(member)
    assert session_client(member, session, "ssm").get_parameter(**PASSWORD)
    _, message = refused(session_client(member, session, "s3").get_object, **OBJECT)
    assert message.endswith("because no service control policy allows the s3:GetObject action")


def test_it_guards_resources_whoever_comes(member: JudgedAws, folder: Path) -> None:
    """A resource control policy names principals and covers some services only."""
    everybody = ANYTHING | {"Effect": "Deny", "Principal": "*"}
    written(folder / "guard.json", everybody)
    session = assume(member)
    _, message = refused(session_client(member, session, "s3").get_object, **OBJECT)
    assert message.endswith("with an explicit deny in a resource control policy")
    assert session_client(member, session, "ssm").get_parameter(**PASSWORD)


def test_it_is_asked_by_a_simulation_too(member: JudgedAws, folder: Path) -> None:
    """So the plan shows before a deployment what the organization forbids."""
    asked = {
        "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/operator",
        "ActionNames": ["ec2:RunInstances"],
    }
    iam = member.client("iam", OPERATOR_KEYS)
    (found,) = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert found["EvalDecision"] == "allowed"
    written(folder / "launch.json", ANYTHING | {"Effect": "Deny", "Action": "ec2:RunInstances"})
    (found,) = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert found["EvalDecision"] == "explicitDeny"


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": [{"Effect": "Deny"}]}'])
def test_a_file_that_is_no_policy_is_named(member: JudgedAws, folder: Path, text: str) -> None:
    """Until it is corrected nothing is allowed, because what it was meant to forbid is unknown."""
    (folder / "typo.json").write_text(text)
    code, message = refused(member.client("ec2", OPERATOR_KEYS).describe_vpcs)
    assert (code, "typo.json is no control policy" in message) == ("UnauthorizedOperation", True)
    assert "typo.json is no control policy" in member.log[-1]
