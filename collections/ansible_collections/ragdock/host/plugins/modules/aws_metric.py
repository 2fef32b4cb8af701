#!/usr/bin/python
"""Publishes a first value of metrics, from which their alarms measure silence."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_metric
short_description: Publish a value of metrics in CloudWatch
description:
  - An alarm that treats silence as a failure rings at once when its metric never had a value. One value
    lets it count from now on.
options:
  namespace: {description: The metrics' namespace., type: str, required: true}
  metrics: {description: Their names., type: list, elements: str, required: true}
  value: {description: The value., type: float, default: 1.0}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Write a first value for the alarms that silence raises
  ragdock.host.aws_metric:
    namespace: Ragdock/research
    metrics: [BackupSucceeded]
"""

RETURN = r"""
published: {description: The metrics., type: list, elements: str, returned: success}
"""

from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "metrics": {"type": "list", "elements": "str", "required": True},
            "value": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    namespace, metrics = module.params["namespace"], module.params["metrics"]
    if module.check_mode:
        module.exit_json(changed=bool(metrics), published=[])
    try:
        clients()("cloudwatch").put_metric_data(
            Namespace=namespace,
            MetricData=[{"MetricName": metric, "Value": module.params["value"]} for metric in metrics],
        )
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"A first value of {', '.join(metrics)} could not be published in {namespace}: {error}. "
            "Compare your rights with docs/policies/operator.json and run again."
        )
    module.exit_json(changed=bool(metrics), published=metrics)


if __name__ == "__main__":
    main()
