#!/usr/bin/python
"""Ansible module: runs one step of a restore; after each, the next run can continue or undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore_run
short_description: One step of a restore
description:
  - C(settle) completes or undoes what an interrupted restore left.
  - C(prepare) fetches the backup, checks it and restores its index under a new name; nothing live is touched.
  - C(switch) makes it live; questions are answered all the while.
  - C(finish) keeps it; C(undo) rolls back. Both end the restore.
options:
  step:
    description: Which step.
    type: str
    choices: [settle, prepare, switch, finish, undo]
    required: true
  backup: {description: Id of the backup., type: str, default: ""}
  scope:
    description: What to restore.
    type: str
    default: all
    choices: [all, index, analytics, documents, file]
  file: {description: The file of scope file., type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.repository
  - ragdock.host.arguments.opensearch
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Switch to the restored state
  ragdock.host.restore_run:
    step: switch
    repository: s3:https://s3.eu-central-1.amazonaws.com/bucket/backup
    password: "{{ secrets.restic_password }}"
    ca: "{{ secrets.opensearch_ca_cert }}"
    admin_cert: "{{ secrets.opensearch_admin_cert }}"
    admin_key: "{{ secrets.opensearch_admin_key }}"
"""

RETURN = r"""
outcome: {description: What was completed or undone; empty for nothing., type: str, returned: success}
seconds: {description: Seconds by step., type: dict, returned: success}
figures: {description: Counts., type: dict, returned: success}
aside: {description: Where the replaced files are kept., type: str, returned: success}
"""

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.ledger import LedgerError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.restic import ResticError
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.backups import (
    NoSuchBackupError,
    backups_of,
    chosen,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.journal import RestoreWorkspace, locked
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.restore.preparation import (
    Preparation,
    RestoreError,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.transaction import Transaction


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do the step and return the result for Ansible."""
    params = module.params
    workspace = RestoreWorkspace(Path(params["root"]))
    keys = (params[key] for key in ("ca", "admin_cert", "admin_key"))
    node = Node.as_admin(module.run_command, params["project"], *keys)
    work = Transaction(workspace, node, Engine(params["project"]))
    step, reported = params["step"], ""
    entry = workspace.read()
    if module.check_mode:
        left = entry is not None and step == "settle"
        reported = f"an interrupted restore of {entry.backup} would be settled" if left and entry else ""
        return {"changed": left, "outcome": reported, "seconds": {}, "figures": {}, "aside": ""}
    if step == "settle":
        reported = work.settle()
        return {"changed": bool(reported), "outcome": reported, "seconds": {}, "figures": {}, "aside": ""}
    if step == "prepare":
        if entry is not None:
            raise RestoreError(
                "another restore was started and not finished; run playbooks/restore.yml again"
            )
        repository = parts.repository(
            params["repository"], params["password"], params["region"], workspace.root
        )
        backup = chosen(backups_of(repository), params["backup"], dt.datetime.now(dt.UTC))
        content = parts.load(repository, backup)
        file = next(iter(content.files(parts.FILE, params["file"]))) if params["scope"] == parts.FILE else ""
        entry = work.begin(backup.id, params["scope"], file)
        preparation = Preparation(workspace, node, work.engine, work.seconds, work.figures)
        preparation.run(entry, repository, content)
    elif entry is None:
        if step != "undo":
            raise RestoreError(f"there is no restore to {step}: nothing was prepared")
    elif step == "switch":
        work.switch(entry)
    elif step == "finish":
        work.finish(entry)
    else:
        work.undo(entry)
        reported = f"the restore of {entry.backup} is undone"
    aside = str(workspace.aside(entry.moment)) if entry else ""
    return {
        "changed": entry is not None,
        "outcome": reported,
        "seconds": work.seconds,
        "figures": work.figures,
        "aside": aside,
    }


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "repository", "opensearch")
        | {
            "step": {
                "type": "str",
                "required": True,
                "choices": ["settle", "prepare", "switch", "finish", "undo"],
            },
            "backup": {"type": "str", "default": ""},
            "scope": {"type": "str", "default": parts.ALL, "choices": list(parts.SCOPES)},
            "file": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        with locked(Path(module.params["root"])):
            result = run(module)
        module.exit_json(**result)
    except (
        RestoreError,
        ResticError,
        NoSuchBackupError,
        parts.ContentError,
        manifests.ManifestError,
        LedgerError,
        SearchError,
        EngineError,
        OSError,
    ) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
