#!/usr/bin/python
"""Ansible module: takes the deployment's lock for the calling run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_lock
short_description: Take the deployment's lock for the calling run
description:
  - The lock is a parameter; creating it without overwriting is the atomic act. It names its holder.
  - The lock of a holder on this machine whose process has ended is taken over. A holder on
    another machine cannot be checked from here, so the run is refused unless forced.
  - However the run ends (with success, with a failure, by Ctrl-C or killed), a small process that
    outlives it then frees the lock. A machine that is switched off leaves a lock that must be broken.
options:
  parameter: {description: Name of the parameter., type: str, required: true}
  verb: {description: What the run does., type: str, required: true}
  state:
    description: Take (present) or give back (absent).
    type: str
    choices: [present, absent]
    default: present
  take_from_other: {description: Take the lock of another machine's run., type: bool, default: false}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Take the deployment's lock
  ragdock.host.deploy_lock:
    parameter: /ragdock/research/lock
    verb: deploy
"""

RETURN = r"""
held: {description: Whether this run now holds the lock., type: bool, returned: always}
taken_from: {description: "The dead or broken holder, if any.", type: dict, returned: when taken over}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.deploy_lock import (
    Lock,
    UnreadableError,
    describe,
    myself,
    same,
    take,
    watch,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "parameter": {"type": "str", "required": True},
            "verb": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "take_from_other": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    require(module, "boto3", "psutil")
    if module.check_mode:
        module.exit_json(changed=False, held=False)
    lock, me = Lock.connect(module.params["parameter"]), myself(module.params["verb"])
    try:
        if module.params["state"] == "absent":
            holder = lock.holder()
            if holder and same(holder, me):
                lock.remove()
            module.exit_json(changed=False, held=False)
        result = take(lock, me, module.params["take_from_other"])
    except UnreadableError as error:
        module.fail_json(
            msg=f"The lock {lock.name} could not be read or written: {error}. "
            "Compare your rights with docs/policies/operator.json. Nothing was changed."
        )
    if not result["held"]:
        module.fail_json(msg=result["refusal"])
    watch(lock, me)
    if result.get("taken_from"):
        module.warn(f"The lock was taken over from {describe(result['taken_from'])}, which no longer runs.")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
