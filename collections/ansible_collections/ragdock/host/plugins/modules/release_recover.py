#!/usr/bin/python
"""Ansible module: sets a failed release aside, with its logs, and starts the one that served."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_recover
short_description: Goes back to the release that serves
description:
  - Keeps the end of every container's log with the failed release, and renames it to <id>.failed.
  - Starts the current release again, with the same code that starts any release.
options:
  failed: {description: The release that did not go live., type: str, required: true}
  reason: {description: What broke; kept with the release., type: str, required: true}
  verb:
    description: Which verb failed. The target of a failed rollback keeps its name and can be tried again.
    choices: [deploy, rollback]
    required: true
    type: str
  timeout: {description: Seconds that each service may take to become healthy., type: int, default: 300}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Start the previous release
  ragdock.host.release_recover:
    root: /opt/ragdock
    failed: 20260101T000000-0123abcd
    verb: deploy
    reason: "{{ ansible_failed_result.msg }}"
"""

RETURN = r"""
serving: {description: The release that was started again; empty for none., returned: always, type: str}
address: {description: Its public name or address; empty if unknown., returned: always, type: str}
logs: {description: Directory of the kept logs., returned: always, type: str}
actions: {description: What was done., returned: always, type: list, elements: str}
trouble: {description: Why the old release did not start either; else empty., returned: always, type: str}
seconds: {description: How long it took., returned: always, type: float}
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.releases import keys_before
from ansible_collections.ragdock.host.plugins.module_utils.releases.rolling import RollingUpdate
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    ReleaseError,
    Store,
    write_atomically,
)


def keep_logs(engine: Engine, where: Path, reason: str) -> list[str]:
    """Write what broke and the end of each container's log, unhealthy ones first, and return those."""
    where.mkdir(mode=0o750, parents=True, exist_ok=True)
    write_atomically(where / "reason.txt", reason.rstrip() + "\n", 0o640)
    containers = sorted(engine.containers(), key=lambda one: one.well)
    for one in containers:
        write_atomically(where / f"{one.name}.log", engine.log(one.id), 0o640)
    return [one.summary() for one in containers if not one.well]


def recover(params: dict[str, Any]) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    began = time.monotonic()
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    # A failed rollback does not mark the older release as failed: that one can be tried again.
    kept = root / "state" / f"rollback-{params['failed']}"
    logs = (kept if params["verb"] == "rollback" else store.fail(params["failed"])) / "logs"
    unwell = keep_logs(engine, logs, params["reason"])
    current = store.current()
    result: dict[str, Any] = {
        "changed": True,
        "logs": str(logs),
        "unwell": unwell,
        "actions": [f"key of {name} put back" for name in keys_before.put_back(root)],
        "trouble": "",
        "serving": "",
        "address": current.address if current else "",
    }
    if current:
        update = RollingUpdate(engine, current, root, params["timeout"])
        result["serving"] = current.id
        try:
            update.start()
            update.finish()
        except (EngineError, ReleaseError) as error:
            result["trouble"] = str(error)
        result["actions"] += update.done
    else:
        # No untested release stays behind the public endpoint. Data and saved logs stay.
        engine.run("compose", "--project-name", engine.project, "down", timeout=params["timeout"])
        result["actions"] += ["the containers of the failed first release were removed"]
    return {**result, "seconds": round(time.monotonic() - began, 2)}


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "failed": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "verb": {"type": "str", "choices": ["deploy", "rollback"], "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, serving="", address="", logs="", actions=[], trouble="", seconds=0.0)
    try:
        with Store(Path(module.params["root"])).locked():
            result = recover(module.params)
        module.exit_json(**result)
    except (EngineError, ReleaseError, OSError) as error:
        module.fail_json(msg=f"Going back from {module.params['failed']} failed: {error}")


if __name__ == "__main__":
    main()
