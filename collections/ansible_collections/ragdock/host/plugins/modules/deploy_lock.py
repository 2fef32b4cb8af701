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

# The action plugin of this name does the work, in the task's own process on the operator's machine.
