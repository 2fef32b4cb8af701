#!/usr/bin/python
"""Ansible module: finds the release that a name means, and pulls its images."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_find
short_description: Finds a release on the host and pulls its images
description:
  - An empty name means the release that served before the current one.
  - An unknown name fails with the valid ones.
  - Warns when that release would rebuild the index (the records' index contracts differ).
  - Pulls the images that this host no longer has. Nothing that runs is touched.
options:
  id: {description: "The release; empty for the one before.", type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.endpoint
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Find the release to roll back to, and pull its images
  ragdock.host.release_find:
    root: /opt/ragdock
"""

RETURN = r"""
id: {description: The release., returned: success, type: str}
address: {description: Its public name or address; empty if unknown., returned: success, type: str}
serving: {description: The release that serves., returned: success, type: str}
pulled: {description: References of images that were pulled., returned: success, type: list, elements: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.registry import RegistryError
from ansible_collections.ragdock.host.plugins.module_utils.releases.fetch import fetch
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    ReleaseError,
    Store,
    contract_warning,
)


def main() -> None:
    """Read the arguments, find, pull, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "endpoint") | {"id": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    require(module, "boto3")
    params = module.params
    store, engine = Store(Path(params["root"])), Engine(params["project"])
    try:
        found = store.require(params["id"])
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    current = store.current()
    warning = contract_warning(found, current)
    if warning:
        module.warn(warning)
    pulled: list[str] = []
    if not module.check_mode:
        try:
            with store.locked():
                pulled = fetch(store, engine, found.id, params["endpoint_url"])
        except (ReleaseError, EngineError, RegistryError) as error:
            module.fail_json(msg=f"{error} Nothing that runs was changed; {store.serving()}.")
    module.exit_json(
        changed=bool(pulled),
        id=found.id,
        address=found.address,
        serving=current.id if current else "",
        pulled=pulled,
    )


if __name__ == "__main__":
    main()
