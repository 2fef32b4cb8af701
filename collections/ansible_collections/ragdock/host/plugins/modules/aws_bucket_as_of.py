#!/usr/bin/python
"""Ansible module: restores objects of a versioned bucket to a point in time; no version is destroyed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_bucket_as_of
short_description: Restores deleted and overwritten objects of a bucket from their versions
description:
  - An object deleted since loses its delete marker, one overwritten since is written once more from its old
    version, and a newer one is hidden behind a delete marker. Another time can still be chosen afterwards.
  - Runs with the operator's rights. No stored version is changed or removed, so a lock does not interfere.
options:
  bucket: {description: The bucket., type: str, required: true}
  prefix: {description: Objects below this folder., type: str, required: true}
  point_in_time: {description: "A time such as 2026-11-20T12:00, UTC by default.", type: str, required: true}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Restore the versions of that point in time
  ragdock.host.aws_bucket_as_of:
    bucket: ragdock-demo-123456789012
    prefix: backup
    point_in_time: 2026-11-20T12:00
"""

RETURN = r"""
deleted: {description: Objects that had been deleted and are back., returned: success, type: int}
overwritten: {description: Objects that had been overwritten and are back., returned: success, type: int}
newer: {description: Objects that are newer and hidden now., returned: success, type: int}
unchanged: {description: Objects that were as they had been., returned: success, type: int}
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

# A lock that restic removed must not come back: it would lock everybody out.
PASSING = "locks/"
# restic names a file after its content.
NAMED_AFTER_CONTENT = re.compile(r"/[0-9a-f]{64}\Z")


class PointInTimeError(Exception):
    """The bucket cannot be restored to this point in time. The text says why and what to do."""


@dataclass(frozen=True)
class Version:
    """A version of an object, or a marker that says it was deleted."""

    key: str
    id: str
    time: dt.datetime
    latest: bool
    marker: bool
    etag: str


def point_in_time(text: str, now: dt.datetime) -> dt.datetime:
    """Parse the requested time; without a zone it is UTC."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise PointInTimeError(
            f"moment is '{text}', which is not a time. Give one such as 2026-11-20T12:00 (UTC)."
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    if at > now:
        raise PointInTimeError(f"moment is '{text}', which is in the future (now: {now:%Y-%m-%dT%H:%M:%SZ}).")
    return at


def versions(s3: Any, bucket: str, prefix: str) -> dict[str, list[Version]]:
    """Object -> its versions, newest first; locks left out."""
    found: dict[str, list[Version]] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for kind in ("Versions", "DeleteMarkers"):
            for one in page.get(kind, []):
                if not one["Key"].startswith(f"{prefix}/{PASSING}"):
                    listed = found.setdefault(one["Key"], [])
                    listed.append(
                        Version(
                            one["Key"],
                            one["VersionId"],
                            one["LastModified"],
                            one["IsLatest"],
                            kind == "DeleteMarkers",
                            one.get("ETag", ""),
                        )
                    )
    for listed in found.values():
        # S3 has a resolution of one second, and marks the newest version itself.
        listed.sort(key=lambda one: (one.latest, one.time), reverse=True)
    return found


@dataclass
class Plan:
    """What has to be done to restore a bucket."""

    markers: list[Version]
    rewrites: list[Version]
    newer: list[str]
    deleted: int = 0
    unchanged: int = 0


def plan(found: dict[str, list[Version]], until: dt.datetime) -> Plan:
    """Plan how to restore each object to the version that was current at that time."""
    made = Plan([], [], [])
    for key, listed in found.items():
        at = next((at for at, one in enumerate(listed) if one.time <= until), len(listed))
        there = at < len(listed) and not listed[at].marker
        since = listed[:at]
        if not there:
            if listed[0].marker:
                made.unchanged += 1
            else:
                made.newer.append(key)
        # Already restored by an earlier run: the newest version has the same content.
        elif not since or (listed[0].etag == listed[at].etag and not listed[0].marker):
            made.unchanged += 1
        elif all(one.marker for one in since):
            made.markers += since
            made.deleted += 1
        else:
            made.rewrites.append(listed[at])
    return made


def rewrite(s3: Any, bucket: str, version: Version) -> None:
    """Write an old version again, verified where its name is a hash of its content."""
    body = s3.get_object(Bucket=bucket, Key=version.key, VersionId=version.id)["Body"].read()
    name = version.key.rsplit("/", 1)[-1]
    if NAMED_AFTER_CONTENT.search(version.key) and hashlib.sha256(body).hexdigest() != name:
        raise PointInTimeError(
            f"{version.key} was already damaged at that time: its content does not match its name. "
            "Choose an earlier time."
        )
    s3.put_object(Bucket=bucket, Key=version.key, Body=body)


def carry_out(s3: Any, bucket: str, made: Plan) -> None:
    """Carry out the plan. restic's snapshots come last, so that none is listed before it can be read."""
    for version in sorted(made.rewrites, key=_last):
        rewrite(s3, bucket, version)
    for version in sorted(made.markers, key=_last):
        s3.delete_object(Bucket=bucket, Key=version.key, VersionId=version.id)
    for key in made.newer:
        s3.delete_object(Bucket=bucket, Key=key)


def _last(version: Version) -> bool:
    return "/snapshots/" in version.key


def versioned(s3: Any, bucket: str) -> None:
    """Check that old versions are kept."""
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise PointInTimeError(f"{bucket} keeps no versions, so what was deleted is gone.")


def figures(made: Plan) -> dict[str, int]:
    """What is done, in numbers."""
    return {
        "deleted": made.deleted,
        "overwritten": len(made.rewrites),
        "newer": len(made.newer),
        "unchanged": made.unchanged,
    }


def any_existed(found: Iterable[list[Version]], at: dt.datetime) -> bool:
    """Whether there was anything at that time."""
    return any(not one.marker and one.time <= at for listed in found for one in listed)


def main() -> None:
    """Restore the bucket."""
    module = AnsibleModule(
        argument_spec={
            "bucket": {"type": "str", "required": True},
            "prefix": {"type": "str", "required": True},
            "point_in_time": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    bucket, prefix = module.params["bucket"], module.params["prefix"]
    try:
        s3 = boto3.client("s3")
        at = point_in_time(module.params["point_in_time"], dt.datetime.now(dt.UTC))
        versioned(s3, bucket)
        found = versions(s3, bucket, prefix)
        if not any_existed(found.values(), at):
            raise PointInTimeError(
                f"{bucket}/{prefix} contained nothing at {at:%Y-%m-%dT%H:%M:%SZ} that still exists in any "
                "version. Choose a later time."
            )
        made = plan(found, at)
        if not module.check_mode:
            carry_out(s3, bucket, made)
    except PointInTimeError as error:
        module.fail_json(msg=f"{error} Nothing was destroyed; run it again as often as you like.")
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"{bucket} could not be restored to that time: {error}. Nothing was destroyed; what is back "
            "is back. docs/policies/operator.json lists the rights that this needs. Run it again."
        )
    module.exit_json(changed=bool(made.markers or made.rewrites or made.newer), **figures(made))


if __name__ == "__main__":
    main()
