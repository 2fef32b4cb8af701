"""What programs ask of AWS, and what policies allow: both as IAM's names of actions."""

from __future__ import annotations

import ast
import importlib.util
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import boto3

# Service of boto3 -> its prefix in IAM.
SERVICES = {
    "cloudwatch": "cloudwatch",
    "ec2": "ec2",
    "ecr": "ecr",
    "freetier": "freetier",
    "iam": "iam",
    "resourcegroupstaggingapi": "tag",
    "route53": "route53",
    "s3": "s3",
    "service-quotas": "servicequotas",
    "sns": "sns",
    "ssm": "ssm",
    "sts": "sts",
}
# IAM calls most actions as the API calls its operations. These it does not.
RENAMED: dict[str, tuple[str, ...]] = {
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListBucketInventoryConfigurations": ("s3:GetInventoryConfiguration",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
}


def actions(operation: str) -> tuple[str, ...]:
    """The rights that an operation (service:Operation) needs."""
    return RENAMED.get(operation, (operation,))


@cache
def _methods(service: str) -> dict[str, str]:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    return {
        method: f"{SERVICES[service]}:{name}" for method, name in client.meta.method_to_api_mapping.items()
    }


def asked_by(path: Path) -> set[str]:
    """The actions that a Python file's own calls of boto3 need.

    A service counts when the file names it, as clients are named here; a call when that service has it.
    """
    tree = ast.parse(path.read_text())
    calls = [(node.attr, _service(node.value)) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    services = {service for service in SERVICES if service in names | texts | {word for word, _ in calls}}
    # A name in a text is a paginator's, or one of a table of calls; whose it is cannot be seen there.
    calls += [(text, "") for text in texts]
    found = {
        _methods(service)[word]
        for word, receiver in calls
        for service in ({receiver} if receiver else services)
        if word in _methods(service)
    }
    return {action for operation in found for action in actions(operation)}


def _service(receiver: ast.expr) -> str:
    """The service that is called, where that can be seen: ec2.x, self.ssm.x, client("ecr").x; or nothing."""
    named: Any = None
    if isinstance(receiver, ast.Name):
        named = receiver.id
    elif isinstance(receiver, ast.Attribute):
        named = receiver.attr
    elif isinstance(receiver, ast.Call) and receiver.args and isinstance(receiver.args[0], ast.Constant):
        named = receiver.args[0].value
    return named if named in SERVICES else ""


@cache
def words_of(module: str) -> set[str]:
    """Every word in the source of a module of a collection, and in the helpers of both."""
    collection, name = module.rsplit(".", 1)
    package = "ansible_collections." + collection
    files = [_folder(f"{package}.plugins.modules") / f"{name}.py"]
    for helpers in ("amazon.aws", "community.aws"):
        files += _folder(f"ansible_collections.{helpers}.plugins.module_utils").rglob("*.py")
    return {word for path in files for word in re.findall(r"\w+", path.read_text())}


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    """A policy's statements, action and resource as lists."""
    return [
        statement | {key: _listed(statement[key]) for key in ("Action", "Resource")}
        for statement in policy["Statement"]
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def covers(granted: list[str], action: str) -> bool:
    """Whether one of the granted actions, which may hold wildcards, is this one."""
    return any(fnmatchcase(action, one) for one in granted)
