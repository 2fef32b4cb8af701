#!/usr/bin/python
"""Lists whether an account is ready for a deployment, a row for each check."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_readiness
short_description: List whether an account is ready for a deployment
description:
  - Asks IAM whether the operator may do what a policy lists (iam:SimulatePrincipalPolicy), and adds what
    aws_preflight has found. Changes nothing and does not fail on what is missing, which the rows name.
options:
  name: {description: The deployment's name., type: str, required: true}
  region: {description: The region., type: str, required: true}
  policy: {description: The policy that the operator needs., type: dict, required: true}
  preflight: {description: What aws_preflight returned., type: dict, required: true}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check the account
  ragdock.host.aws_readiness:
    name: research
    region: eu-central-1
    policy: "{{ lookup('ansible.builtin.file', 'docs/policies/operator.json') | from_json }}"
    preflight: "{{ preflight_aws }}"
"""

RETURN = r"""
ready: {description: Whether nothing is missing., type: bool, returned: always}
rows: {description: "Of each check: what, state, figure.", type: list, elements: list, returned: always}
"""

from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.rights import (
    UnknownRightsError,
    denied,
    questions,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError

READY = "ready"
MISSING = "MISSING"
UNKNOWN = "not known"
MOST_NAMED = 6


def rights(iam: Any, params: dict[str, Any]) -> list[list[str]]:
    """Rows for the operator's rights: one when all are there, else one for each group of missing ones."""
    found = params["preflight"]
    asked = questions(params["policy"], params["name"], params["region"], found["account"])
    count = sum(len(one.actions) for one in asked)
    try:
        refused = denied(iam, found["caller"], asked)
    except (UnknownRightsError, BotoCoreError) as error:
        return [["rights", UNKNOWN, f"needs iam:SimulatePrincipalPolicy: {error}"]]
    if not refused:
        return [["rights", READY, f"all {count} of docs/policies/operator.json"]]
    return [
        ["rights" if not at else "", MISSING, ", ".join(refused[at : at + MOST_NAMED])]
        for at in range(0, len(refused), MOST_NAMED)
    ]


def rows(iam: Any, params: dict[str, Any]) -> list[list[str]]:
    """Every check with its state. A run that preflight refuses does not get here."""
    found = params["preflight"]
    plan = found.get("plan", "")
    return [
        ["credentials", READY, f"{found['caller']}"],
        *rights(iam, params),
        ["instance type", READY, f"offered in {', '.join(found['zones'])}"],
        ["image", READY, f"{found['ami_id']}, root device {found['root_device']}"],
        *(
            [one["what"], UNKNOWN if "unknown" in one["figure"] else READY, one["figure"]]
            for one in found["quotas"]
        ),
        *([["plan of the account", READY, plan.lower()]] if plan else []),
    ]


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "policy": {"type": "dict", "required": True},
            "preflight": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    found = rows(clients(attempts=2)("iam"), module.params)
    module.exit_json(changed=False, ready=all(row[1] != MISSING for row in found), rows=found)


if __name__ == "__main__":
    main()
