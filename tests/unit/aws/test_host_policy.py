"""The host may reach only what belongs to its deployment, and its programs use each right."""

from __future__ import annotations

import json
import re
from typing import Any

import jinja2
import pytest
import yaml

from tests.unit.aws import iam
from tests.unit.role_files import PLUGINS, ROLES

NAME, REGION, ACCOUNT = "demo", "eu-central-1", "123456789012"
BUCKET = f"ragdock-{NAME}-{ACCOUNT}"
FOLDER = ROLES / "aws_identity/templates"
POLICIES = yaml.safe_load((ROLES / "aws_identity/defaults/main.yml").read_text())["aws_identity_policies"]
VALUES = {
    "ragdock_name": NAME,
    "ragdock_region": REGION,
    "_aws_identity_scope": f"{REGION}:{ACCOUNT}",
    "aws_storage_bucket": BUCKET,
    "aws_storage_prefix": "backup",
    "aws_storage_lock_days": 14,
}


def rendered(name: str, **other: Any) -> list[dict[str, Any]]:
    """The statements of one file, rendered for this deployment or with other values."""
    text = (FOLDER / f"{name}.json.j2").read_text()
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(text)  # noqa: S701
    return iam.statements(json.loads(template.render(VALUES | other)))


STATEMENTS = [one for name in POLICIES for one in rendered(name)]
# These belong to the deployment by name alone.
OWN = re.compile(
    rf"arn:aws:(s3:::{BUCKET}(/backup/\*)?"
    rf"|ssm:{REGION}:{ACCOUNT}:parameter/ragdock/{NAME}(/[\w*]+)?"
    rf"|ecr:{REGION}:{ACCOUNT}:repository/ragdock/{NAME}/\*)"
)
# Disks have no names: the tag decides, that of an existing resource or that in the request.
OF_A_KIND = re.compile(rf"arn:aws:ec2:{REGION}:({ACCOUNT})?:(volume|snapshot)/\*")
TAGS = ("aws:ResourceTag/ragdock:name", "aws:RequestTag/ragdock:name")
# Models belong to AWS, in any region that this account chooses; each use costs tokens and changes nothing.
MODELS = {
    "arn:aws:bedrock:*::foundation-model/*",
    f"arn:aws:bedrock:*:{ACCOUNT}:inference-profile/*",
    f"arn:aws:bedrock-mantle:*:{ACCOUNT}:project/*",
}
# Actions that AWS cannot limit to a resource, or not before there is a host, and why each is harmless.
UNBOUNDED = {
    "bedrock:CallWithBearerToken": "knows no resources; opens only what the other statements allow",
    "bedrock-mantle:CallWithBearerToken": "as that of bedrock",
    "cloudwatch:PutMetricData": "knows no resources; bounded by the namespace",
    "ec2:DescribeSnapshots": "knows no resources; only looks",
    "ec2:DescribeVolumes": "knows no resources; only looks",
    "ecr:GetAuthorizationToken": "knows no resources; a login opens only what the other statement allows",
    "ec2messages": "knows no resources; an agent gets its own instance's messages",
    "ssmmessages": "knows no resources; an agent's own channel",
    "ssm:UpdateInstanceInformation": "the role is made before the instance has an id; says an agent lives",
}
# Rights that programs of others on the host need.
OTHERS = {
    "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",  # docker pull
    "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket",
    "s3:PutObject",  # restic
    "ec2:CreateTags", "ssm:AddTagsToResource",  # a snapshot or a parameter that is created with its tags
}  # fmt: skip
PROGRAMS = (
    "lookup/aws_secrets_read.py",
    "module_utils/aws/deploy_lock.py",
    "module_utils/backup/collect.py",
    "module_utils/backup/retention.py",
    "module_utils/jobs.py",
    "module_utils/registry.py",
    "module_utils/secret_store.py",
    "modules/patch_volumes.py",
)


def test_each_file_of_rights_is_used() -> None:
    """A file that nothing reads would be taken for a granted right."""
    assert {path.name.removesuffix(".json.j2") for path in FOLDER.glob("*.j2")} == {*POLICIES, "trust"}


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda one: one["Sid"])
def test_each_right_ends_at_what_is_the_deployments_own(statement: dict[str, Any]) -> None:
    """Deployments share an account; a compromised host must not give access to another deployment."""
    equals = statement.get("Condition", {}).get("StringEquals", {})
    tagged = any(equals.get(tag) == NAME for tag in TAGS)
    for resource in statement["Resource"]:
        if resource == "*":
            known = {
                action
                for action in statement["Action"]
                if not {action, action.split(":")[0]} & set(UNBOUNDED)
            }
            assert known == set()
        elif resource not in MODELS:
            assert OWN.fullmatch(resource) or (tagged and OF_A_KIND.fullmatch(resource)), resource
    assert not [action for action in statement["Action"] if "*" in action]


def test_metrics_go_into_the_deployments_own_namespace() -> None:
    """Otherwise a host could silence another's alarms."""
    (metrics,) = rendered("metrics")
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": f"Ragdock/{NAME}"}}


def test_what_the_hosts_programs_call_is_granted_and_nothing_else() -> None:
    """Read from the code: jobs run with these rights and no operator is there to ask."""
    granted = {action for one in STATEMENTS for action in one["Action"]}
    asked = OTHERS.union(*(iam.asked_by(PLUGINS / program) for program in PROGRAMS))
    agent = {action for one in rendered("session") for action in one["Action"]}
    assert asked - granted == set()
    # The proxy of remote models calls Bedrock with keys that are signed with the role's credentials.
    bedrock = {action for one in rendered("bedrock") for action in one["Action"]}
    assert granted - asked == agent | bedrock


def test_a_lock_is_made_longer_only_where_there_is_one_and_within_its_days() -> None:
    """An intruder on the host must not lock files for a century, or in a mode that nobody can lift."""
    (statement,) = [one for one in rendered("backups") if "s3:PutObjectRetention" in one["Action"]]
    assert statement["Action"] == ["s3:PutObjectRetention"]
    assert statement["Condition"] == {
        "StringEquals": {"s3:object-lock-mode": "GOVERNANCE"},
        "NumericLessThanEquals": {"s3:object-lock-remaining-retention-days": "15"},
    }
    without = rendered("backups", aws_storage_lock_days=0)
    assert without == [one for one in rendered("backups") if one != statement]


def test_a_secret_is_written_only_where_the_host_renews() -> None:
    """It reads all of its secrets; it writes its lock and OpenSearch's leaf certificates."""
    writing = [one for one in STATEMENTS if "ssm:PutParameter" in one["Action"]]
    places = {resource.rsplit("/", 1)[-1] for one in writing for resource in one["Resource"]}
    assert places == {"lock", "opensearch_node_*", "opensearch_admin_*"}
