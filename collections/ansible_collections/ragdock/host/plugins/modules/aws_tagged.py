#!/usr/bin/python
"""Tags repositories and alarms, for which the collections' own modules take no tags."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_tagged
short_description: Tag image repositories and alarms
description:
  - Adds tags to repositories (ECR) and alarms (CloudWatch) that exist. Other tags stay.
options:
  arns: {description: What to tag., type: list, elements: str, required: true}
  tags: {description: The tags., type: dict, required: true}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Tag the repositories
  ragdock.host.aws_tagged:
    arns: ["arn:aws:ecr:eu-central-1:123456789012:repository/ragdock/demo/edge"]
    tags: {"ragdock:name": demo}
"""

RETURN = r"""
tagged: {description: What was tagged., type: list, returned: success}
"""

from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError


def tag(client: Any, arn: str, tags: dict[str, str]) -> None:
    """Add tags to one resource."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    service = arn.split(":")[2]
    if service == "ecr":
        client("ecr").tag_resource(resourceArn=arn, tags=listed)
    elif service == "cloudwatch":
        client("cloudwatch").tag_resource(ResourceARN=arn, Tags=listed)
    else:
        raise LookupError(f"{arn} is neither a repository nor an alarm")


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "arns": {"type": "list", "elements": "str", "required": True},
            "tags": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    client = clients()
    arns = module.params["arns"]
    try:
        for arn in arns if not module.check_mode else ():
            tag(client, arn, module.params["tags"])
    except (BotoCoreError, ClientError, LookupError) as error:
        module.fail_json(
            msg=f"Not all of {', '.join(arns)} could be tagged: {error}. "
            "Compare your rights with docs/policies/operator.json and run again."
        )
    module.exit_json(changed=bool(arns), tagged=arns)


if __name__ == "__main__":
    main()
