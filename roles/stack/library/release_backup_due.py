#!/usr/bin/python
"""Ansible module: says whether a release may go live only after a backup."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ragdock_engine import Engine, EngineError
from ansible.module_utils.ragdock_jobs import read_state
from ansible.module_utils.ragdock_release import ReleaseError, Store
from ansible.module_utils.ragdock_stored import differing, formats, reasons

DOCUMENTATION = r"""
---
module: release_backup_due
short_description: Says whether a release may go live only after a backup
description:
  - A backup is due when the release changes what is stored (ledger, index mapping, chunks, embedding model,
    OpenSearch) or when the newest backup is older than a day.
  - Asks the images of both releases. Changes nothing.
options:
  root: {description: Where Ragdock lives on the host., type: path, required: true}
  project: {description: Compose project., type: str, default: ragdock}
  id: {description: The release that is to go live., type: str, required: true}
author: Ragdock
"""

EXAMPLES = r"""
- name: Find out whether a backup is due
  release_backup_due:
    root: /opt/ragdock
    id: 20260101T000000-0123abcd
"""

RETURN = r"""
reasons: {description: Why a backup is due; empty when none is., returned: success, type: list, elements: str}
last: {description: When the last backup was made; empty when there is none., returned: success, type: str}
"""


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
    """Read the arguments, look, report."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "project": {"type": "str", "default": "ragdock"},
            "id": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**due(Path(module.params["root"]), module.params["project"], module.params["id"]))
    except (ReleaseError, EngineError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
