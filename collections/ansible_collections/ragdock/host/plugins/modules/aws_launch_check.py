#!/usr/bin/python
"""Asks AWS whether it would launch an instance, and launches none."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_launch_check
short_description: Ask AWS whether it would launch an instance
description:
  - Sends the request to launch an instance as a dry run. AWS answers whether rights and arguments suffice;
    nothing is launched. It does not say whether there is capacity.
options:
  image: {description: The image., type: str, required: true}
  instance_type: {description: The type., type: str, required: true}
  profile: {description: Name of the instance profile., type: str, required: true}
  subnet: {description: The subnet., type: str, required: true}
  tags: {description: Tags of the instance., type: dict, required: true}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check that AWS would launch a new host
  ragdock.host.aws_launch_check:
    image: ami-0abcdef1234567890
    instance_type: t3.large
    profile: ragdock-research-host
    subnet: subnet-0abcdef1234567890
    tags: {"ragdock:name": research}
"""

RETURN = r"""
possible: {description: AWS would begin the launch., type: bool, returned: success}
"""

from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import code_of
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

WOULD_DO = "DryRunOperation"


def objection(ec2: Any, params: dict[str, Any]) -> str:
    """Why AWS would refuse this launch; empty if it would not."""
    tags = [{"Key": key, "Value": value} for key, value in params["tags"].items()]
    try:
        ec2.run_instances(
            DryRun=True,
            MinCount=1,
            MaxCount=1,
            ImageId=params["image"],
            InstanceType=params["instance_type"],
            SubnetId=params["subnet"],
            IamInstanceProfile={"Name": params["profile"]},
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        )
    except (BotoCoreError, ClientError) as error:
        return "" if code_of(error) == WOULD_DO else str(error).rstrip(".")
    return ""


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "instance_type": {"type": "str", "required": True},
            "profile": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "tags": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    if found := objection(clients()("ec2"), module.params):
        module.fail_json(
            msg=f"AWS would not launch the new host: {found}. The old host was not touched. "
            "Correct this (rights are in docs/policies/operator.json), then run the same command again."
        )
    module.exit_json(changed=False, possible=True)


if __name__ == "__main__":
    main()
