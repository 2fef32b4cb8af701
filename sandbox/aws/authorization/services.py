"""The permissions that an operation of any service needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws.authorization import catalog, ec2, s3
from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.rights import Right, tags

# Service and resource type -> the parameters that name such a resource, by name, path, id or ARN.
NAMES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("cloudwatch", "alarm"): ("AlarmName", "AlarmNames", "ResourceARN"),
    ("ecr", "repository"): ("repositoryName", "repositoryNames", "resourceArn"),
    ("iam", "instance-profile"): ("InstanceProfileName",),
    ("iam", "role"): ("RoleName", "PolicySourceArn"),
    ("iam", "user"): ("UserName", "PolicySourceArn"),
    ("iam", "group"): ("GroupName", "PolicySourceArn"),
    ("iam", "policy"): ("PolicyArn", "PolicyName"),
    ("kms", "key"): ("KeyId",),
    ("route53", "hostedzone"): ("HostedZoneId", "Id"),
    ("scheduler", "schedule"): ("Name",),
    ("servicequotas", "quota"): ("QuotaCode",),
    ("sns", "topic"): ("TopicArn", "ResourceArn", "SubscriptionArn", "Name"),
    ("ssm", "document"): ("DocumentName",),
    ("ssm", "instance"): ("Target", "InstanceId"),
    ("ssm", "parameter"): ("Name", "Names", "Path", "ResourceId"),
    ("ssm", "session"): ("SessionId",),
    ("sts", "role"): ("RoleArn",),
}
# An operation that tags the resource it creates needs this permission in addition to its own.
TAGGING = {
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "ecr:CreateRepository": "ecr:TagResource",
    "iam:CreateInstanceProfile": "iam:TagInstanceProfile",
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateUser": "iam:TagUser",
    "sns:CreateTopic": "sns:TagResource",
    "ssm:PutParameter": "ssm:AddTagsToResource",
}
# Action -> parameter -> the condition key with the parameter's value.
KEYS = {
    "cloudwatch:PutMetricData": {"Namespace": "cloudwatch:namespace"},
    "iam:AttachRolePolicy": {"PolicyArn": "iam:PolicyARN"},
    "iam:CreateRole": {"PermissionsBoundary": "iam:PermissionsBoundary"},
    "iam:DetachRolePolicy": {"PolicyArn": "iam:PolicyARN"},
    "iam:PutRolePermissionsBoundary": {"PermissionsBoundary": "iam:PermissionsBoundary"},
    "ssm:GetParametersByPath": {"Recursive": "ssm:Recursive"},
    "ssm:PutParameter": {"Overwrite": "ssm:Overwrite"},
}
# Parameters that AWS publishes belong to AWS; their ARN has no account.
PUBLISHED = "/aws/"


def rights(call: Call, account: Account) -> list[Right]:
    """Return the permissions that AWS checks before it carries out CALL; all of them are required."""
    if call.credential.prefix == "ec2":
        return list(ec2.rights(call, account))
    if call.credential.prefix == "s3":
        return list(s3.rights(call))
    if call.action == "ssm:StartSession":
        return list(_session(call, account))
    own = list(_own(call, account))
    return own + list(_besides(call, own, account))


def _own(call: Call, account: Account) -> Iterator[Right]:
    parameters = call.parameters
    given = tags(parameters.get("Tags") or parameters.get("tags") or parameters.get("TagKeys"))
    keys = {
        key: _text(parameters[one]) for one, key in KEYS.get(call.action, {}).items() if one in parameters
    }
    found = False
    for kind in catalog.kinds(call.action) or ():
        for name in dict.fromkeys(_names(call, kind.name)):
            found = True
            service = call.credential.prefix
            arn = _arn(call, kind, name, account)
            yield Right(call.action, arn, account.tags(service, kind.name, name), given, keys)
    if not found:
        needed = [kind for kind in catalog.kinds(call.action) or () if kind.required]
        arns = [kind.of("*", account.region, account.number) for kind in needed] or ["*"]
        for arn in arns:
            yield Right(call.action, arn, request_tags=given, keys=keys)


def _names(call: Call, kind: str) -> Iterator[str]:
    """Yield the resources of this type that a request names; several parameters may name the same type."""
    service = call.credential.prefix
    for parameter in NAMES.get((service, kind), ()):
        value = call.parameters.get(parameter)
        for one in value if isinstance(value, list) else [value] if value else []:
            text = str(one)
            # A parameter may take ARNs of several resource types: keep only those of this type.
            if not text.startswith("arn:") or service == "sns" or f":{kind}" in text:
                yield text


def _arn(call: Call, kind: catalog.Kind, name: str, account: Account) -> str:
    if name.startswith("arn:"):
        # Reduce a subscription's ARN to that of its topic.
        return ":".join(name.split(":")[:6]) if call.credential.prefix == "sns" else name
    number = account.number
    if kind.name == "parameter":
        number = "" if name.startswith(PUBLISHED) else number
        name = name.removeprefix("/")
    elif kind.name == "hostedzone":
        name = name.rpartition("/")[2]
    elif kind.name == "schedule":
        group = call.parameters.get("GroupName") or "default"
        return f"arn:aws:scheduler:{account.region}:{number}:schedule/{group}/{name}"
    elif kind.name == "quota":
        return f"arn:aws:servicequotas:{account.region}:{number}:{call.parameters.get('ServiceCode')}/{name}"
    return kind.of(name, account.region, number)


def _besides(call: Call, own: list[Right], account: Account) -> Iterator[Right]:
    if call.action in TAGGING:
        for right in own:
            if right.request_tags:
                yield Right(TAGGING[call.action], right.resource, right.tags, right.request_tags)
    if call.action == "iam:AddRoleToInstanceProfile":
        role = catalog.kind("iam", "role").of(
            str(call.parameters["RoleName"]), account.region, account.number
        )
        yield Right("iam:PassRole", role, keys={"iam:PassedToService": ec2.COMPUTE})
    if call.action in ("scheduler:CreateSchedule", "scheduler:UpdateSchedule"):
        role = str(call.parameters["Target"]["RoleArn"])
        yield Right("iam:PassRole", role, keys={"iam:PassedToService": "scheduler.amazonaws.com"})


def _session(call: Call, account: Account) -> Iterator[Right]:
    """Yield the permission for the instance, and for the document; without a document a shell is opened."""
    target, document = str(call.parameters.get("Target")), call.parameters.get("DocumentName")
    instance = catalog.kind("ssm", "instance").of(target, account.region, account.number)
    keys = {"ssm:SessionDocumentAccessCheck": "true" if document else "false"}
    yield Right(call.action, instance, account.tags("ssm", "instance", target), keys=keys)
    if document:
        arn = catalog.kind("ssm", "document").of(str(document), account.region, account.number)
        yield Right(call.action, arn, keys=keys)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
