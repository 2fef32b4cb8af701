"""What programs request from AWS and what policies allow, both as IAM action names."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from sandbox.aws.authorization import s3

# The boto3 service -> its prefix in IAM.
SERVICES = {
    "cloudwatch": "cloudwatch",
    "ec2": "ec2",
    "ecr": "ecr",
    "freetier": "freetier",
    "iam": "iam",
    "resourcegroupstaggingapi": "tag",
    "route53": "route53",
    "s3": "s3",
    "scheduler": "scheduler",
    "service-quotas": "servicequotas",
    "sns": "sns",
    "ssm": "ssm",
    "sts": "sts",
}


def actions(operation: str) -> tuple[str, ...]:
    """The rights that an operation (service:Operation) needs."""
    service, name = operation.split(":")
    if operation == "s3:DeleteObjects":
        return ("s3:DeleteObject", "s3:DeleteObjectVersion")
    return (f"s3:{s3.RENAMED.get(name, name)}" if service == "s3" else operation,)


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
    """The actions that the boto3 calls in a Python file need.

    A service counts if the file names it, as clients are named here; a call counts if that service has it.
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
    # A name in a string belongs to a paginator or a table of calls; its service cannot be seen there.
    calls += [(text, "") for text in texts]
    found = {
        _methods(service)[word]
        for word, receiver in calls
        for service in ({receiver} if receiver else services)
        if word in _methods(service)
    }
    return {action for operation in found for action in actions(operation)}


def _service(receiver: ast.expr) -> str:
    """Return the service called, where it is visible: ec2.x, self.ssm.x, client("ecr").x; otherwise ""."""
    named: Any = None
    if isinstance(receiver, ast.Name):
        named = receiver.id
    elif isinstance(receiver, ast.Attribute):
        named = receiver.attr
    elif isinstance(receiver, ast.Call) and receiver.args and isinstance(receiver.args[0], ast.Constant):
        named = receiver.args[0].value
    return named if named in SERVICES else ""


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    """A policy's statements, with action and resource as lists."""
    return [
        statement | {key: _listed(statement[key]) for key in ("Action", "Resource")}
        for statement in policy["Statement"]
    ]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
