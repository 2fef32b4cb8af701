"""The policies of resources: buckets, repositories, topics, keys, and roles (their trust)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from sandbox.aws.authorization.policies import Policy, Question, parse

Read = Callable[[str, str, str], Any]


def _bucket(account: str, _region: str, arn: str) -> Any:
    found = s3_backends[account]["aws"].buckets.get(arn.rpartition(":")[2].partition("/")[0])
    return found.policy.decode() if found and found.policy else None


def _repository(account: str, region: str, arn: str) -> Any:
    found = ecr_backends[account][region].repositories.get(arn.partition(":repository/")[2])
    return found.policy if found else None


def _topic(account: str, region: str, arn: str) -> Any:
    found = sns_backends[account][region].topics.get(arn)
    return found.policy if found else None


def _key(account: str, region: str, arn: str) -> Any:
    found = kms_backends[account][region].keys.get(arn.rpartition("/")[2])
    return found.policy if found else None


def _role(account: str, _region: str, arn: str) -> Any:
    roles = list(iam_backends[account]["aws"].roles.values())
    return next((one.assume_role_policy_document for one in roles if one.arn == arn), None)


# Service -> function that reads the policy of the resource with an ARN.
READ: dict[str, Read] = {"ecr": _repository, "kms": _key, "s3": _bucket, "sns": _topic, "sts": _role}


def resource_policy(account: str, region: str, question: Question) -> Policy | None:
    """Return the policy of the resource that a question is about."""
    read = READ.get(question.action.partition(":")[0])
    document = read(account, region, question.resource) if read else None
    return parse(document) if document else None
