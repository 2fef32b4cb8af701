#!/usr/bin/python
"""Ansible module: takes snapshots of the host's volumes, waits for them, and removes its old ones."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_volumes
short_description: Snapshots of every volume of this host, before it is patched
description:
  - Runs on the host with the rights of its role. Waits until each snapshot is complete.
  - Removes the oldest snapshots that it made before, beyond the count; never those of this run.
options:
  instance: {description: The host's instance id., type: str, required: true}
  name: {description: The deployment's name., type: str, required: true}
  deployment: {description: The deployment's id., type: str, required: true}
  region: {description: AWS region., type: str, required: true}
  keep: {description: Snapshots of each volume that stay., type: int, required: true}
  timeout: {description: Seconds that snapshots may take., type: int, default: 3600}
extends_documentation_fragment:
  - ragdock.host.arguments.endpoint
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Snapshot the volumes
  ragdock.host.patch_volumes:
    instance: i-0123456789abcdef0
    name: demo
    deployment: 0123456789ab
    region: eu-central-1
    keep: 2
"""

RETURN = r"""
snapshots: {description: Snapshot with volume and device and zone., type: list, returned: success}
removed: {description: Ids of older snapshots that were removed., type: list, returned: success}
seconds: {description: How long it took., type: float, returned: success}
"""

import os
import time
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import host_client, quick
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

ATTEMPTS = 5

PURPOSE = "before-patch"
POLL_SECONDS = 5.0


def volumes(ec2: Any, instance: str) -> list[dict[str, str]]:
    """The host's volumes."""
    answer = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])
    return sorted(
        (
            {
                "volume": one["VolumeId"],
                "device": one["Attachments"][0]["Device"],
                "zone": one["AvailabilityZone"],
            }
            for one in answer["Volumes"]
        ),
        key=lambda one: one["device"],
    )


def take(ec2: Any, one: dict[str, str], params: dict[str, Any]) -> str:
    """Start a snapshot; return its id."""
    tags = {
        "Name": f"ragdock-{params['name']}-{PURPOSE}",
        "ragdock:name": params["name"],
        "ragdock:deployment": params["deployment"],
        "ragdock:purpose": PURPOSE,
    }
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    answer = ec2.create_snapshot(
        VolumeId=one["volume"],
        Description=f"Ragdock {params['name']} {one['device']} {PURPOSE}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": listed}],
    )
    return str(answer["SnapshotId"])


def wait(ec2: Any, ids: list[str], timeout: float) -> None:
    """Wait until all are complete."""
    until = time.monotonic() + timeout
    while True:
        states = {
            one["SnapshotId"]: one["State"] for one in ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        }
        if all(states.get(one) == "completed" for one in ids):
            return
        failed = [one for one, state in states.items() if state == "error"]
        if failed or time.monotonic() > until:
            raise RuntimeError(
                f"snapshots {', '.join(failed)} ended in an error"
                if failed
                else f"snapshots were not complete within {timeout:.0f} s: {states}"
            )
        time.sleep(POLL_SECONDS)


def doomed(snapshots: list[dict[str, Any]], keep: int) -> list[str]:
    """The snapshots beyond the newest KEEP of each volume."""
    newest_first = sorted(snapshots, key=lambda one: one["StartTime"], reverse=True)
    seen: dict[str, int] = {}
    found = []
    for one in newest_first:
        seen[one["VolumeId"]] = seen.get(one["VolumeId"], 0) + 1
        if seen[one["VolumeId"]] > keep:
            found.append(str(one["SnapshotId"]))
    return found


def work(params: dict[str, Any]) -> dict[str, Any]:
    """Take the snapshots and remove old ones; return the result for Ansible."""
    ec2 = host_client("ec2", params["region"], params["endpoint_url"], quick(ATTEMPTS))
    began, found = time.monotonic(), volumes(ec2, params["instance"])
    if not found:
        raise RuntimeError(f"no volume is attached to {params['instance']}")
    # Data that the system has not written yet would be missing from the snapshots.
    os.sync()
    made = [{**one, "snapshot": take(ec2, one, params)} for one in found]
    wait(ec2, [one["snapshot"] for one in made], params["timeout"])
    filters = {"tag:ragdock:name": params["name"], "tag:ragdock:purpose": PURPOSE}
    named = [{"Name": name, "Values": [value]} for name, value in filters.items()]
    old = doomed(ec2.describe_snapshots(OwnerIds=["self"], Filters=named)["Snapshots"], params["keep"])
    for snapshot in old:
        ec2.delete_snapshot(SnapshotId=snapshot)
    return {"snapshots": made, "removed": old, "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Take the snapshots."""
    module = AnsibleModule(
        argument_spec=arguments("endpoint")
        | {
            "instance": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "deployment": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "keep": {"type": "int", "required": True},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    if module.check_mode:
        module.exit_json(changed=False, snapshots=[], removed=[], seconds=0)
    try:
        result = work(module.params)
    except (BotoCoreError, ClientError, RuntimeError, TimeoutError) as error:
        module.fail_json(
            msg=f"The volumes could not be saved: {type(error).__name__}: {error}. Nothing was patched. "
            "Its rights are those of roles/aws_identity/templates/snapshots.json.j2: site.yml grants them."
        )
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
