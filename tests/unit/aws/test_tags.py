"""Repositories and alarms carry the deployment's tags, and none that carries them is overlooked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.aws import read_services as reading
from ansible_collections.ragdock.host.plugins.modules import aws_owned as owning
from ansible_collections.ragdock.host.plugins.modules import aws_tagged as tagging
from tests.local_aws import client

TAGS = {"ragdock:name": "tags", "ragdock:deployment": "0123abcd"}


class TaggingApi:
    """Stands in for AWS's tagging API, which the local AWS lacks for these services."""

    def __init__(self, arns: list[str]) -> None:
        self._arns = arns

    def get_paginator(self, _name: str) -> TaggingApi:
        return self

    def paginate(self, **_filters: Any) -> list[dict[str, Any]]:
        return [{"ResourceTagMappingList": [{"ResourceARN": arn} for arn in self._arns]}]


@pytest.fixture
def aws(aws_server: str) -> Any:
    """A function that makes clients."""
    return lambda service: client(service, aws_server)


def repository(aws: Any, name: str) -> str:
    """The ARN of a new repository."""
    return str(aws("ecr").create_repository(repositoryName=name)["repository"]["repositoryArn"])


def alarm(aws: Any, name: str) -> str:
    """The ARN of a new alarm."""
    cloudwatch = aws("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="Ragdock/tags", MetricName="BackupSucceeded", Statistic="Maximum",
        ComparisonOperator="LessThanThreshold", Threshold=1.0, Period=3600, EvaluationPeriods=26,
    )  # fmt: skip
    return str(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"])


def test_tags_that_are_missing_are_seen_and_set(aws: Any) -> None:
    """The tags that are read decide what is done: otherwise every run would set them, or none would."""
    arns = [repository(aws, "ragdock/tags/edge"), alarm(aws, "ragdock-tags-backup")]

    def tags() -> list[dict[str, str]]:
        repositories = reading.registry(aws("ecr"), "ragdock/tags/", ["edge"])
        alarms = reading.observability(aws("sns"), aws("cloudwatch"), "tags", "i-1")
        found = repositories["repository/edge"], alarms["alarm/backup"]
        return [one["tags"] for one in found if one]

    assert tags() == [{}, {}]
    for arn in arns:
        tagging.tag(aws, arn, TAGS)
    assert tags() == [TAGS, TAGS]


def test_only_what_takes_tags_this_way_is_tagged(aws: Any) -> None:
    """Other resources are tagged by modules of a collection."""
    with pytest.raises(LookupError, match="neither"):
        tagging.tag(aws, "arn:aws:s3:::bucket", TAGS)


def test_destroy_finds_what_carries_the_tag_under_any_name(aws: Any) -> None:
    """It skips what the tagging API still lists after deletion, and what its service's own API finds."""
    there = [repository(aws, "elsewhere/edge"), alarm(aws, "elsewhere-backup")]
    gone = [one.replace("elsewhere", "gone") for one in there]
    unknown = "arn:aws:sqs:us-east-1:123456789012:queue"
    answers = TaggingApi([*there, *gone, unknown, "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"])

    def clients(service: str) -> Any:
        return answers if service == "resourcegroupstaggingapi" else aws(service)

    assert [(item["kind"], item["id"]) for item in owning.tagged(clients, "tags")] == [
        ("repository", "elsewhere/edge"),
        ("alarm", "elsewhere-backup"),
        ("other", unknown),
    ]
