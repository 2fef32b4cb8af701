"""Reads identity, registry, storage, DNS and alarms of one deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

with suppress(ImportError):
    from botocore.exceptions import ClientError


Found: TypeAlias = "dict[str, Any] | None"


def or_none(call: Any, missing: tuple[str, ...], **arguments: Any) -> Any:
    """The result of the call, or None when AWS reports that the resource does not exist."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in missing:
            return None
        raise


def _tags(listed: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in listed}


def identity(iam: Any, role: str, policy: str) -> dict[str, Found]:
    """The host's role, its instance profile and its rights."""
    missing = ("NoSuchEntity",)
    found: dict[str, Found] = {"role": None, "profile": None, "rights": None}
    profile = or_none(iam.get_instance_profile, missing, InstanceProfileName=role)
    if profile:
        roles = [item["RoleName"] for item in profile["InstanceProfile"]["Roles"]]
        found["profile"] = {"id": role, "roles": roles}
    answer = or_none(iam.get_role, missing, RoleName=role)
    if not answer:
        return found
    found["role"] = {
        "id": answer["Role"]["RoleName"],
        "boundary": answer["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "trust": answer["Role"]["AssumeRolePolicyDocument"],
        "managed_policies": [
            item["PolicyArn"] for item in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        ],
    }
    rights = or_none(iam.get_role_policy, missing, RoleName=role, PolicyName=policy)
    if rights:
        found["rights"] = {"id": policy, "document": rights["PolicyDocument"]}
    return found


def registry(ecr: Any, prefix: str, services: list[str]) -> dict[str, Found]:
    """One repository for each service."""
    found: dict[str, Found] = {f"repository/{service}": None for service in services}
    pages = ecr.get_paginator("describe_repositories").paginate()
    for repository in (item for page in pages for item in page["repositories"]):
        service = repository["repositoryName"].removeprefix(prefix)
        if repository["repositoryName"] != prefix + service or service not in services:
            continue
        lifecycle = or_none(
            ecr.get_lifecycle_policy,
            ("LifecyclePolicyNotFoundException",),
            repositoryName=repository["repositoryName"],
        )
        found[f"repository/{service}"] = {
            "id": repository["repositoryUri"],
            "immutable": repository["imageTagMutability"] == "IMMUTABLE",
            "scan": repository["imageScanningConfiguration"]["scanOnPush"],
            "lifecycle": json.loads(lifecycle["lifecyclePolicyText"]) if lifecycle else None,
            "tags": _tags(ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]),
        }
    return found


def storage(s3: Any, bucket: str) -> dict[str, Found]:
    """The backup bucket and its lifecycle rules for old versions."""
    found: dict[str, Found] = {"bucket": None, "bucket_lifecycle": None}
    if not bucket or or_none(s3.head_bucket, ("404", "NoSuchBucket"), Bucket=bucket) is None:
        return found
    unset = (
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchBucketPolicy",
        "NoSuchTagSet",
        "NoSuchLifecycleConfiguration",
        "ObjectLockConfigurationNotFoundError",
    )
    encryption = or_none(s3.get_bucket_encryption, unset, Bucket=bucket)
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"] if encryption else [{}]
    public = or_none(s3.get_public_access_block, unset, Bucket=bucket)
    block = public["PublicAccessBlockConfiguration"] if public else {}
    policy = or_none(s3.get_bucket_policy, unset, Bucket=bucket)
    tags = or_none(s3.get_bucket_tagging, unset, Bucket=bucket)
    lifecycle = or_none(s3.get_bucket_lifecycle_configuration, unset, Bucket=bucket)
    lock = or_none(s3.get_object_lock_configuration, unset, Bucket=bucket)
    locked = lock["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {}) if lock else {}
    found["bucket"] = {
        "id": bucket,
        "versioned": s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled",
        "encryption": rules[0].get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"),
        "private": bool(block) and all(block.values()),
        "policy": json.loads(policy["Policy"]) if policy else None,
        "tags": _tags(tags["TagSet"]) if tags else {},
        "object_lock_days": locked.get("Days", 0),
    }
    if lifecycle:
        found["bucket_lifecycle"] = {"id": bucket, "rules": [_lifecycle(rule) for rule in lifecycle["Rules"]]}
    return found


def _lifecycle(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": rule["ID"],
        "enabled": rule["Status"] == "Enabled",
        "old_versions_days": rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"),
        "lone_markers": rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker", False),
        "unfinished_uploads_days": rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    }


def dns(route53: Any, zone: str, domain: str, address: str) -> dict[str, Found]:
    """The domain's A record."""
    answer = route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=domain, StartRecordType="A", MaxItems="1"
    )
    for record in answer["ResourceRecordSets"]:
        if record["Name"].rstrip(".") == domain and record["Type"] == "A":
            values = [item["Value"] for item in record.get("ResourceRecords", [])]
            return {"record": {"id": domain, "values": values, "to_address": values == [address]}}
    return {"record": None}


def observability(sns: Any, cloudwatch: Any, name: str, instance: str) -> dict[str, Found]:
    """The topic that carries alarms, and the alarms."""
    found: dict[str, Found] = {"topic": None}
    topics = [
        item["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for item in page["Topics"]
    ]
    arn = next((item for item in topics if item.rpartition(":")[2] == f"ragdock-{name}"), None)
    if arn:
        subscriptions = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        found["topic"] = {"id": arn, "emails": [item["Endpoint"] for item in subscriptions]}
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"ragdock-{name}-")["MetricAlarms"]
    for alarm in alarms:
        found[f"alarm/{alarm['AlarmName'].removeprefix(f'ragdock-{name}-')}"] = {
            "id": alarm["AlarmName"],
            "metric": f"{alarm['Namespace']}/{alarm['MetricName']}",
            "of_host": {"Name": "InstanceId", "Value": instance} in alarm.get("Dimensions", []),
            "missing": alarm.get("TreatMissingData"),
            "hours": alarm["EvaluationPeriods"] * alarm["Period"] // 3600,
            "notifies": alarm.get("AlarmActions", []) == [arn],
            "tags": _tags(cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]),
        }
    return found


def alarms_of(found: Mapping[str, Found], name: str) -> list[str]:
    """The alarms in FOUND that deployment NAME made; other alarms may begin with its name too."""
    return [
        key
        for key, one in found.items()
        if key.startswith("alarm/") and one and one["tags"].get("ragdock:name") == name
    ]


def secrets(ssm: Any, path: str) -> dict[str, Found]:
    """The names, not the values, of the parameters below PATH."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=False)
    names = [item["Name"].removeprefix(path) for page in pages for item in page["Parameters"]]
    return {"secrets": {"id": path, "names": [name for name in names if name != "lock"]}}
