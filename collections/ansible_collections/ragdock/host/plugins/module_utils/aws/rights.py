"""Asks IAM whether the operator may do what a policy lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

with suppress(ImportError):
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

# IAM simulates actions, not patterns, so one action of each pattern stands for the others.
EXAMPLES = {"ec2:Describe*": "ec2:DescribeInstances", "s3:GetBucket*": "s3:GetBucketVersioning"}
AT_ONCE = 50
# Beginning of a condition's operator -> the kind of its values; strings otherwise.
KINDS = {"Bool": "boolean", "Numeric": "numeric"}
VARIABLE = re.compile(r"\$\{([^}]*)\}")


class UnknownRightsError(Exception):
    """IAM did not answer. The text says why."""


class Question(NamedTuple):
    """Actions on one resource, with the values that the conditions of their statement require."""

    actions: tuple[str, ...]
    resource: str
    context: tuple[tuple[str, str, str], ...]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _filled(text: str, name: str) -> str:
    """An example of a value that the pattern allows."""
    return VARIABLE.sub(name, text).replace("*", name)


def _resource(pattern: str, name: str, region: str, account: str) -> str:
    """A resource of this deployment that the pattern covers."""
    if pattern == "*":
        return pattern
    parts = pattern.split(":", 5)
    parts[3] = region if parts[3] == "*" else parts[3]
    parts[4] = account if parts[4] == "*" else parts[4]
    parts[5] = _filled(parts[5], name)
    return ":".join(parts)


def _context(conditions: Mapping[str, Mapping[str, Any]], name: str) -> Iterator[tuple[str, str, str]]:
    """Values that meet the conditions."""
    for operator, keys in conditions.items():
        if operator == "Null":
            continue
        kind = next((kind for start, kind in KINDS.items() if operator.startswith(start)), "string")
        for key, value in keys.items():
            pattern = _listed(value)[0]
            yield key, kind, _filled(pattern, name)
            for variable in VARIABLE.findall(pattern):
                yield variable, "string", name


def questions(policy: Mapping[str, Any], name: str, region: str, account: str) -> list[Question]:
    """The questions to ask for each statement of a policy that allows actions."""
    found = []
    for statement in policy["Statement"]:
        if statement["Effect"] != "Allow":
            continue
        actions = [EXAMPLES.get(one, one) for one in _listed(statement["Action"])]
        context = tuple(_context(statement.get("Condition", {}), name))
        resource = _resource(_listed(statement["Resource"])[0], name, region, account)
        for at in range(0, len(actions), AT_ONCE):
            found.append(Question(tuple(actions[at : at + AT_ONCE]), resource, context))
    return found


def principal_of(iam: Any, caller: str) -> str:
    """The user or role behind a session; IAM simulates only their policies."""
    kind, _unused, rest = caller.split(":", 5)[5].partition("/")
    if kind != "assumed-role":
        return caller
    role = rest.partition("/")[0]
    try:
        return str(iam.get_role(RoleName=role)["Role"]["Arn"])
    except ClientError:
        return f"arn:aws:iam::{caller.split(':')[4]}:role/{role}"


def denied(iam: Any, caller: str, asked: list[Question]) -> list[str]:
    """The actions that the caller may not do. The root user may do all."""
    if caller.endswith(":root"):
        return []
    principal = principal_of(iam, caller)
    refused = []
    for question in asked:
        try:
            pages = iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=principal,
                ActionNames=list(question.actions),
                ResourceArns=[question.resource],
                ContextEntries=[
                    {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}
                    for key, kind, value in question.context
                ],
            )
            results = [one for page in pages for one in page["EvaluationResults"]]
        except (ClientError, ResponseParserError) as error:
            raise UnknownRightsError(str(error)) from error
        refused += [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]
    return sorted(set(refused))
