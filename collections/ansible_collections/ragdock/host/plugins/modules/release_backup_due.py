#!/usr/bin/python
"""Ansible module: reports whether a release may go live only after a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_backup_due
short_description: Reports whether a release may go live only after a backup
description:
  - A backup is due when the release changes what is stored (ledger, index mapping, chunks, embedding model,
    OpenSearch) or when the newest backup is older than a day.
  - Reads the images of both releases. Changes nothing.
options:
  id: {description: The release that is to go live., type: str, required: true}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Find out whether a backup is due
  ragdock.host.release_backup_due:
    root: /opt/ragdock
    id: 20260101T000000-0123abcd
"""

RETURN = r"""
reasons: {description: Why a backup is due; empty when none is., returned: success, type: list, elements: str}
last: {description: When the last backup was made; empty when there is none., returned: success, type: str}
"""

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.jobs import read_state
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import ReleaseError, Store
from ansible_collections.ragdock.host.plugins.module_utils.releases.stored import differing, formats, reasons


def due(root: Path, project: str, release: str) -> dict[str, Any]:
    """The result for Ansible."""
    store = Store(root)
    serving, coming = store.current(), store.get(release)
    state = read_state(root, "backup")
    # In check mode the coming release is not here.
    changes = differing(*formats(Engine(project), serving, coming)) if serving and coming else []
    return {
        "changed": False,
        "reasons": reasons(changes, state, dt.datetime.now(dt.UTC)) if serving else [],
        "last": state.get("last_success") or "",
    }


def main() -> None:
    """Read the arguments, check, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project") | {"id": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        module.exit_json(**due(Path(module.params["root"]), module.params["project"], module.params["id"]))
    except (ReleaseError, EngineError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
