#!/usr/bin/python
"""Ansible module: finds the release that a name means; read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_find
short_description: Finds a release on the host
description:
  - An empty name means the release that served before the current one.
  - An unknown name fails with the valid ones.
  - Warns when that release would rebuild the index (the records' index contracts differ).
options:
  id: {description: "The release; empty for the one before.", type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.root
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: The release to go back to is known
  ragdock.host.release_find:
    root: /opt/ragdock
"""

RETURN = r"""
id: {description: The release., returned: success, type: str}
serving: {description: The release that serves., returned: success, type: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    ReleaseError,
    Store,
    contract_warning,
)


def main() -> None:
    """Read the arguments, find, report."""
    module = AnsibleModule(
        argument_spec=arguments("root") | {"id": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    store = Store(Path(module.params["root"]))
    try:
        found = store.require(module.params["id"])
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    current = store.current()
    warning = contract_warning(found, current)
    if warning:
        module.warn(warning)
    module.exit_json(changed=False, id=found.id, serving=current.id if current else "")


if __name__ == "__main__":
    main()
