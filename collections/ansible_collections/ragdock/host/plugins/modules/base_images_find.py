#!/usr/bin/python
"""Ansible module: checks that each base image exists and is not a stand-in; read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: base_images_find
short_description: Checks that each base image exists and is not a stand-in
description:
  - Looks for each base image of the Dockerfiles on this machine and in its registry. Pulls nothing.
  - An image that its registry does not have, or that a sandbox built in its place, is an error.
  - A registry that does not answer is a warning, since what is already built needs none.
options:
  standins: {description: Whether a sandbox's stand-ins may be used., type: bool, default: false}
  timeout: {description: Seconds that a registry may take., type: int, default: 20}
extends_documentation_fragment:
  - ragdock.host.arguments.images
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Find the base images
  ragdock.host.base_images_find:
    checkout: "{{ playbook_dir | dirname }}"
    images: {edge: {context: services/edge, dockerfile: Dockerfile}}
    base_lock: .ragdock/demo/base-images.json
"""

RETURN = r"""
images: {description: Names of the base images., returned: success, type: list, elements: str}
"""

# The action plugin of this name does the work, in the task's own process on the operator's machine.
