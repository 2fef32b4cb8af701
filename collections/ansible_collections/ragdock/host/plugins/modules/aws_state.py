#!/usr/bin/python
"""Reads everything that one deployment has in AWS and compares it with what it needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_state
short_description: Compare a deployment's AWS resources with its settings
description:
  - Reads, in one process, every AWS resource of one deployment (found by tag or by name) and
    compares it with what its roles specify. The roles then run a module only for what differs,
    so a run that changes nothing costs one module, not thirty.
  - Changes nothing. In check mode it reports what the roles would change, with a diff.
options:
  name: {description: The deployment's name., type: str, required: true}
  wanted: {description: Properties by resource., type: dict, required: true}
  services: {description: Services that have a repository., type: list, elements: str, required: true}
  bucket: {description: The backup bucket; empty for none., type: str, default: ""}
  zone: {description: Id of the Route 53 zone; empty for none., type: str, default: ""}
  domain: {description: The public host name., type: str, default: ""}
  everything: {description: Call every wanted resource different., type: bool, default: false}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Compare what exists in AWS with what is wanted
  ragdock.host.aws_state:
    name: research
    wanted: {vpc: {cidr: 10.20.0.0/16}}
    services: [rag-app]
"""

RETURN = r"""
existing: {description: Properties by resource; null for what is not there., type: dict, returned: always}
differs: {description: Differences by resource., type: dict, returned: always}
to_do: {description: Names of what to make or change; empty in check mode., type: list, returned: always}
to_remove: {description: Names of what is not wanted; empty in check mode., type: list, returned: always}
"""

# The action plugin of this name does the work, in the task's own process on the operator's machine.
