#!/usr/bin/python
"""Makes schedules of EventBridge Scheduler that start and stop one instance; AWS's collections cannot."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_schedules
short_description: Start and stop an instance by schedules of EventBridge Scheduler
description:
  - Each schedule calls one action of EC2 for one instance (a universal target), as a role that may do that.
options:
  schedules:
    description: Schedules. Each has C(name), C(action) (start or stop) and C(expression).
    type: list
    elements: dict
    required: true
  state: {description: Whether they exist., type: str, choices: [present, absent], default: present}
  timezone: {description: Time zone of the expressions., type: str, default: UTC}
  instance: {description: The instance., type: str, default: ""}
  role: {description: ARN of the role., type: str, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Create the schedules that start and stop the model host
  ragdock.host.aws_schedules:
    schedules: [{name: ragdock-research_models-start, action: start, expression: "cron(0 7 ? * MON-FRI *)"}]
    timezone: Europe/Berlin
    instance: i-0123456789abcdef0
    role: arn:aws:iam::123456789012:role/ragdock-research_hours-host
"""

RETURN = r"""
names: {description: "The schedules that were made, changed or removed.", type: list, returned: success}
"""

import json
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import code_of
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

# A start that fails (no capacity) is retried for an hour; a later start would be a surprise.
RETRIES = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 12}


def request(one: dict[str, str], params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the call that makes or changes a schedule."""
    return {
        "Name": one["name"],
        "ScheduleExpression": one["expression"],
        "ScheduleExpressionTimezone": params["timezone"],
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": f"arn:aws:scheduler:::aws-sdk:ec2:{one['action']}Instances",
            "RoleArn": params["role"],
            "Input": json.dumps({"InstanceIds": [params["instance"]]}),
            "RetryPolicy": RETRIES,
        },
    }


def present(scheduler: Any, wanted: dict[str, Any]) -> None:
    """Make a schedule, or change the one of this name."""
    try:
        scheduler.create_schedule(**wanted)
    except ClientError as error:
        if code_of(error) != "ConflictException":
            raise
        scheduler.update_schedule(**wanted)


def absent(scheduler: Any, name: str) -> None:
    """Remove a schedule; a missing one is not an error."""
    try:
        scheduler.delete_schedule(Name=name)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "schedules": {"type": "list", "elements": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "timezone": {"type": "str", "default": "UTC"},
            "instance": {"type": "str", "default": ""},
            "role": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    params = module.params
    names = [one["name"] for one in params["schedules"]]
    try:
        scheduler = clients()("scheduler")
        for one in params["schedules"] if not module.check_mode else ():
            if params["state"] == "present":
                present(scheduler, request(one, params))
            else:
                absent(scheduler, one["name"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"Not all of {', '.join(names)} could be made or removed: {error}. "
            "Compare your rights with docs/policies/operator.json and run again."
        )
    module.exit_json(changed=bool(names), names=names)


if __name__ == "__main__":
    main()
