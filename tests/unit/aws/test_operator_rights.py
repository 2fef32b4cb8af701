"""A whole deployment with the operator's rights: made, repaired, its host replaced, destroyed.

The playbooks run as for `make up`, against a local AWS that refuses what no policy allows. What the operator is asked for
on the way is compared with what is granted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.aws.authorization import catalog
from sandbox.aws.authorization.patterns import any_of
from tests.local_aws import JudgedAws, judged_aws
from tests.unit.role_files import ROLES

FOLDER = ROLES.parent / "docs/policies"
POLICIES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
STATEMENTS = [one for policy in POLICIES.values() for one in policy["Statement"]]
LARGEST_MANAGED_POLICY = 6144
NAME = "judged"
ZONE = "example.org."

# Granted, and not asked for by the playbooks below: action -> who needs it.
ELSEWHERE = {
    "cloudwatch:ListTagsForResource": "the comparison, when there is an alarm of another's making",
    "ec2:GetConsoleOutput": "docs/operate/aws.md",
    "ec2:MonitorInstances": "by hand, as roles/aws_host says when the setting changes",
    "ec2:UnmonitorInstances": "the same",
    "ecr:BatchCheckLayerAvailability": "pushing and pulling, by the registry's own protocol",
    "ecr:BatchDeleteImage": "deleting a repository that holds images",
    "ecr:BatchGetImage": "pushing and pulling",
    "ecr:CompleteLayerUpload": "pushing",
    "ecr:GetAuthorizationToken": "pushing and pulling",
    "ecr:GetDownloadUrlForLayer": "pulling",
    "ecr:InitiateLayerUpload": "pushing",
    "ecr:PutImage": "pushing",
    "ecr:UploadLayerPart": "pushing",
    "freetier:GetAccountPlanState": "the plan",
    "iam:SimulatePrincipalPolicy": "the plan",
    "servicequotas:GetServiceQuota": "the plan",
    "s3:GetObject": "playbooks/undelete.yml",
    "s3:GetObjectVersion": "playbooks/undelete.yml",
    "s3:PutObject": "playbooks/undelete.yml",
    "ssm:DescribeInstanceInformation": "docs/operate/aws.md",
    "ssm:GetParameterHistory": "docs/operate/aws.md",
    "ssm:ResumeSession": "aws ssm start-session",
    "ssm:StartSession": "Ansible's connections to the host",
    "ssm:TerminateSession": "aws ssm start-session",
    "ssmmessages:OpenDataChannel": "aws ssm start-session",
}


@dataclass
class Runs:
    """The playbooks that ran, and what the AWS heard."""

    aws: JudgedAws
    said: dict[str, subprocess.CompletedProcess[str]]

    @property
    def asked(self) -> set[str]:
        """The actions that the operator was asked for."""
        return {action for who, action in self.aws.asked if who.endswith(":user/operator")}


def play(aws: JudgedAws, state: Path, playbook: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A playbook with the sandbox's inventory."""
    values = settings | {
        "ragdock_name": NAME,
        "ragdock_aws_endpoint_url": aws.address,
        "ragdock_alarm_email": "somebody@example.org",
        "ragdock_domain": f"rag.{ZONE.rstrip('.')}",
        "ragdock_acme_email": "somebody@example.org",
        "state_dir": str(state),
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
    words = ["-i", "inventory/sandbox", "-e", json.dumps(values), f"playbooks/{playbook}.yml"]
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), *words],
        cwd=ROLES.parent,
        env=clean | {"ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "400"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Made; everything made again with another host; destroyed."""
    state = tmp_path_factory.mktemp("state")
    with judged_aws({name: json.dumps(policy) for name, policy in POLICIES.items()}) as aws:
        aws.client("route53").create_hosted_zone(Name=ZONE, CallerReference="one")
        found = Runs(aws, {})
        for verb, playbook, settings in (
            ("made", "provision", {}),
            ("repaired", "provision", {"everything": True, "aws_host_replace": True}),
            ("destroyed", "destroy", {"confirm": NAME, "keep_backups": False}),
        ):
            found.said[verb] = play(aws, state, playbook, **settings)
        yield found


@pytest.mark.parametrize("verb", ["made", "repaired", "destroyed"])
def test_the_operator_may_do_it(runs: Runs, verb: str) -> None:
    """A right that is missing ends the run, here as on AWS."""
    done = runs.said[verb]
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:] + "\n".join(runs.aws.log)


def test_nothing_was_refused_on_the_way(runs: Runs) -> None:
    """Also not what a module would only warn of."""
    assert runs.aws.log == []


def test_nothing_is_granted_for_nobody(runs: Runs) -> None:
    """A right without a use is a danger without a reason."""
    granted = {action for one in STATEMENTS for action in listed(one["Action"])}
    used = runs.asked | set(ELSEWHERE)
    assert {one for one in granted if not any(any_of([one]).fullmatch(action) for action in used)} == REPAIRS
    assert set(ELSEWHERE) & runs.asked == set(), "asked for now: no exception any more"


def listed(value: str | list[str]) -> list[str]:
    """One action, or several."""
    return [value] if isinstance(value, str) else value
