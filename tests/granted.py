"""What docs/policies grants an operator, and what each right is for."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.aws.authorization.patterns import any_of
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
# Rights that no playbook requests when a deployment is created, re-created and destroyed, by what needs them.
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
    "a model host with hours (tests/refusals/test_model_host.py)": {
        "scheduler:CreateSchedule",
        "scheduler:DeleteSchedule",
        "scheduler:GetSchedule",
        "scheduler:UpdateSchedule",
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
# Commands that pages and messages ask the operator to type.
COMMAND = re.compile(r"\baws (ec2|ecr|s3api|sns|ssm|cloudwatch) ([a-z]+(?:-[a-z]+)+)")
COMMANDS = {
    f"{service}:{''.join(word.capitalize() for word in command.split('-'))}"
    for path in [*ROLES.rglob("*"), *PLUGINS.rglob("*"), *(ROOT / "docs").rglob("*.md")]
    if path.suffix in (".md", ".j2", ".py", ".yml")
    for service, command in COMMAND.findall(path.read_text())
    if not command.startswith(("instance-", "volume-"))
}


def without_use(asked: set[str]) -> list[str]:
    """Return the granted rights that are not in ASKED, not needed elsewhere and in no documented command."""
    used = asked | set().union(*ELSEWHERE.values()) | COMMANDS
    return [one for one in GRANTED if not any(any_of([one]).fullmatch(action) for action in used)]
