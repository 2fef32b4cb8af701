"""The operator's rights are enough for a whole deployment, and nothing is granted without a use.

The playbooks run as with `make up`, against a local AWS that refuses what no policy allows. What the
operator is asked for on the way is compared with what is granted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.aws.authorization import catalog
from sandbox.aws.authorization.patterns import any_of
from tests.local_aws import JudgedAws, judged_aws
from tests.unit.role_files import PLUGINS, ROLES

ROOT = ROLES.parent
POLICIES = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "docs/policies").glob("*.json"))
}
STATEMENTS: list[dict[str, Any]] = [one for policy in POLICIES.values() for one in policy["Statement"]]
GRANTED = [
    action
    for one in STATEMENTS
    for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
]
LARGEST_MANAGED_POLICY = 6144
NAME, DOMAIN = "judged", "rag.example.org"
PLAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("provision", {}),
    ("provision", {"everything": True, "aws_host_replace": True}),
    ("destroy", {"confirm": NAME, "keep_backups": False}),
)
# Not asked for by these playbooks: what else needs it.
ELSEWHERE = {
    "the registry's own protocol": {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    },
    "aws ssm start-session": {
        "ssm:ResumeSession",
        "ssm:StartSession",
        "ssm:TerminateSession",
        "ssmmessages:OpenDataChannel",
    },
    "playbooks/undelete.yml": {"s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
    "preflight and plan": {
        "freetier:GetAccountPlanState",
        "iam:SimulatePrincipalPolicy",
        "servicequotas:GetServiceQuota",
        "ssm:DescribeInstanceInformation",
        "sts:GetCallerIdentity",
    },
    "alarms that begin without a breach": {"cloudwatch:PutMetricData"},
    "a deployment that an earlier version made": {"ec2:DeleteKeyPair"},
    "a setting was changed": {
        "ec2:ModifyVolume",
        "ec2:MonitorInstances",
        "ec2:UnmonitorInstances",
        "s3:PutBucketObjectLockConfiguration",
    },
    "the deployment holds images, snapshots or backups": {
        "ecr:BatchDeleteImage",
        "ec2:DeleteSnapshot",
        "s3:DeleteObjectVersion",
    },
    "something was changed by hand": {
        "ec2:AssociateIamInstanceProfile",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:DeleteRoute",
        "ec2:DeleteTags",
        "ec2:DetachVolume",
        "ec2:DisassociateAddress",
        "ec2:ModifyInstanceMetadataOptions",
        "ec2:ModifySubnetAttribute",
        "ec2:ReplaceIamInstanceProfileAssociation",
        "ec2:ReplaceRoute",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:StartInstances",
        "ecr:DeleteLifecyclePolicy",
        "ecr:PutImageTagMutability",
        "iam:DetachRolePolicy",
        "iam:UntagInstanceProfile",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
        "route53:GetHostedZone",
        "s3:PutBucketOwnershipControls",
        "sns:SetTopicAttributes",
    },
}
# Commands that pages and messages tell the operator to type.
COMMAND = re.compile(r"\baws (ec2|ecr|s3api|sns|ssm|cloudwatch) ([a-z]+(?:-[a-z]+)+)")
TOLD = {
    f"{service}:{''.join(word.capitalize() for word in command.split('-'))}"
    for path in [*ROLES.rglob("*"), *PLUGINS.rglob("*"), *(ROOT / "docs").rglob("*.md")]
    if path.suffix in (".md", ".j2", ".py", ".yml")
    for service, command in COMMAND.findall(path.read_text())
    if not command.startswith(("instance-", "volume-"))
}


def play(aws: JudgedAws, state: Path, playbook: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """A playbook with the sandbox's inventory, and so with the operator's key."""
    values = settings | {
        "ragdock_name": NAME,
        "ragdock_aws_endpoint_url": aws.url,
        "ragdock_alarm_email": "somebody@example.org",
        "ragdock_domain": DOMAIN,
        "ragdock_acme_email": "somebody@example.org",
        "state_dir": str(state),
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
    # The sandbox's own key is made when it starts; nothing here needs one.
    values |= {"aws_host_agent_key": "amazon-ssm-agent.asc"}
    words = ["-i", "inventory/sandbox", "-e", json.dumps(values), f"playbooks/{playbook}.yml"]
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), *words],
        cwd=ROOT,
        env=clean | {"ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "400"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_rights_are_those_that_a_deployment_needs(tmp_path: Path) -> None:
    """Made; made again with another host; destroyed. A right that is missing would end it, here as on AWS.

    One test, for what is asked is known when all has run. A right without a use is a danger without a reason.
    """
    with judged_aws({name: json.dumps(policy) for name, policy in POLICIES.items()}) as aws:
        aws.client("route53").create_hosted_zone(Name="example.org.", CallerReference="one")
        for playbook, settings in PLAYS:
            done = play(aws, tmp_path, playbook, **settings)
            assert done.returncode == 0, "\n".join((*aws.log, done.stdout[-4000:], done.stderr[-2000:]))
        assert aws.log == [], "refused, though no module failed of it"
        asked = {action for who, action in aws.asked if who.endswith(":user/operator")}
    elsewhere = set().union(*ELSEWHERE.values())
    used = asked | elsewhere | TOLD
    assert [one for one in GRANTED if not any(any_of([one]).fullmatch(action) for action in used)] == []


def test_what_pages_tell_to_type_is_granted() -> None:
    """Someone in trouble types it, and must not be refused then."""
    assert {action for action in TOLD if not any_of(GRANTED).fullmatch(action)} == set()


def test_each_action_is_one_of_awss() -> None:
    """A typing error grants nothing, and nobody is notified."""
    named = {action for action in (*GRANTED, *set().union(*ELSEWHERE.values())) if "*" not in action}
    assert {action for action in named if catalog.kinds(action) is None} == set()


def test_what_changes_or_removes_is_bounded_by_name_or_tag() -> None:
    """Other things in the account are out of reach. Making in EC2 is not bounded: no tag is there yet."""
    free = [one for one in STATEMENTS if one["Resource"] == "*" and "Condition" not in one]
    assert [one["Sid"] for one in free] == [
        "LookAtTheAccount",
        "MakeNetworkAndHost",
        "UseTheChannelOfASession",
    ]
    look, make, _channel = free
    assert [one for one in look["Action"] if not re.match(r"\w+:(Describe|List|Get|Simulate)", one)] == []
    making = re.compile(
        r"ec2:(AllocateAddress|AssociateAddress|Create(?!Tags)\w+|ImportKeyPair|RunInstances)"
    )
    assert [one for one in make["Action"] if not making.fullmatch(one)] == []


def test_each_file_fits_into_a_managed_policy() -> None:
    """IAM takes 6144 characters, white space not counted; `aws iam create-policy` refuses more."""
    for policy in POLICIES.values():
        assert len(re.sub(r"\s", "", json.dumps(policy))) <= LARGEST_MANAGED_POLICY
