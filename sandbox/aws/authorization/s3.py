"""The permissions that an S3 operation needs. IAM's names differ most from the API's for this service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.rights import Right, tags

# Operation -> action. A request that names an object version needs the action's variant for versions.
RENAMED = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
VERSIONED = frozenset({"DeleteObject", "GetObject", "GetObjectAcl", "GetObjectTagging", "PutObjectTagging"})
# Request parameters that need a permission in addition to the operation's own.
BESIDES = {
    "ACL": "PutObjectAcl",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
    "ObjectLockRetainUntilDate": "PutObjectRetention",
    "Tagging": "PutObjectTagging",
}
OF_A_NEW_BUCKET = {
    "ACL": ("PutBucketAcl",),
    "ObjectLockEnabledForBucket": ("PutBucketObjectLockConfiguration", "PutBucketVersioning"),
    "ObjectOwnership": ("PutBucketOwnershipControls",),
}
KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:VersionId",
}
SECONDS_A_DAY = 86400


def rights(call: Call) -> Iterator[Right]:
    """Yield the permissions that AWS checks before it carries out CALL."""
    parameters = call.parameters
    bucket, key = str(parameters.get("Bucket", "")), parameters.get("Key")
    arn = f"arn:aws:s3:::{bucket}" if bucket else "*"
    keys = {name: str(parameters[one]) for one, name in KEYS.items() if one in parameters} | _lock(parameters)
    action = RENAMED.get(call.operation, call.operation)
    if call.operation == "DeleteObjects":
        for one in parameters["Delete"]["Objects"]:
            deletion = _of("DeleteObject", one.get("VersionId"))
            yield Right(deletion, f"{arn}/{one['Key']}", keys=keys)
            key = one["Key"]
    elif key is None:
        yield Right(f"s3:{action}", arn, request_tags=_tags(parameters), keys=keys)
    else:
        yield Right(
            _of(action, parameters.get("VersionId")),
            f"{arn}/{key}",
            request_tags=_tags(parameters),
            keys=keys,
        )
    if source := parameters.get("CopySource"):
        path, _, query = str(source).partition("?")
        version = parse_qs(query).get("versionId")
        yield Right(_of("GetObject", version), f"arn:aws:s3:::{unquote(path).lstrip('/')}")
    if parameters.get("BypassGovernanceRetention"):
        yield Right("s3:BypassGovernanceRetention", f"{arn}/{key}", keys=keys)
    if call.operation == "CreateBucket":
        for parameter, actions in OF_A_NEW_BUCKET.items():
            for one in actions if parameters.get(parameter) else ():
                yield Right(f"s3:{one}", arn)
    elif action == "PutObject":
        for parameter, one in BESIDES.items():
            if parameters.get(parameter):
                yield Right(f"s3:{one}", f"{arn}/{key}", request_tags=_tags(parameters), keys=keys)


def _of(action: str, version: Any) -> str:
    return f"s3:{versioned(action) if version and action in VERSIONED else action}"


def versioned(action: str) -> str:
    """Return the variant of an object action for one version."""
    return action.replace("Object", "ObjectVersion", 1)


def _tags(parameters: Mapping[str, Any]) -> dict[str, str]:
    written = parameters.get("Tagging")
    if isinstance(written, str):
        return dict(parse_qsl(written))
    return tags(written.get("TagSet")) if written else {}


def _lock(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the condition keys of the object lock that a request asks for."""
    asked = parameters.get("Retention") or {}
    mode = asked.get("Mode") or parameters.get("ObjectLockMode")
    until = asked.get("RetainUntilDate") or parameters.get("ObjectLockRetainUntilDate")
    found = {"s3:object-lock-mode": str(mode)} if mode else {}
    if isinstance(until, dt.datetime):
        left = until.replace(tzinfo=until.tzinfo or dt.UTC) - dt.datetime.now(dt.UTC)
        days = -(-left.total_seconds() // SECONDS_A_DAY)
        found |= {"s3:object-lock-remaining-retention-days": f"{days:.0f}"}
    return found
