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

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.images.bases import Lock, bases_of, find


def main() -> None:
    """Read the arguments, check, report."""
    module = AnsibleModule(
        argument_spec=arguments("images")
        | {
            "standins": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    params = module.params
    docker = partial(Engine().answer, timeout=params["timeout"])
    checkout, lock = Path(params["checkout"]), Lock(Path(params["base_lock"]))
    bases = bases_of(checkout / one["context"] / one["dockerfile"] for one in params["images"].values())
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda base: find(docker, base, lock, standins=params["standins"]), bases))
    for one in found:
        if one.unknown:
            module.warn(one.unknown)
    if problems := [one.problem for one in found if one.problem]:
        module.fail_json(msg="\n".join([*problems, "Nothing was changed."]))
    module.exit_json(changed=False, images=[base.name for base in bases])


if __name__ == "__main__":
    main()
