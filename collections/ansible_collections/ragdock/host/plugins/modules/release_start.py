#!/usr/bin/python
"""Ansible module: brings the running stack to one release."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_start
short_description: Brings the running stack to a release
description:
  - Makes OpenSearch use the certificates in its files, if it runs.
  - Reads what runs (containers, their specification and health, the live configuration).
  - Does the least that is needed.
  - Stateless services are replaced without losing a request; for a new configuration the edge is reloaded.
  - Does not make the release the current one; C(release_switch) does, after the smoke test. Until then the
    containers that were replaced still run, so that the release before can be back at once.
options:
  id: {description: The release., type: str, required: true}
  timeout: {description: Seconds that each service may take to become healthy., type: int, default: 300}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.opensearch_admin
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Start the release
  ragdock.host.release_start:
    root: /opt/ragdock
    id: 20260101T000000-0123abcd
    admin_cert: "{{ stack_secrets.opensearch_admin_cert }}"
    admin_key: "{{ stack_secrets.opensearch_admin_key }}"
"""

RETURN = r"""
id: {description: The release., returned: success, type: str}
actions: {description: "What was done, in order.", returned: success, type: list, elements: str}
replaced:
  description: Containers that were replaced and still run, without new requests, until C(release_switch).
  returned: success, not in check mode
  type: list
  elements: str
seconds: {description: How long it took., returned: success, type: float}
service: {description: The service that did not start., returned: failure, type: str}
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError, Run
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.releases.rolling import ROLLED, RollingUpdate
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import ReleaseError, Store


def start(run: Run, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    began = time.monotonic()
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    name = params["id"]
    if check and store.get(name) is None:
        return {
            "changed": True,
            "id": name,
            "actions": ["would start the release (it is not on the host yet)"],
        }
    release = store.require(name)
    update = RollingUpdate(engine, release, root, params["timeout"])
    if check:
        todo = update.plan()
        actions = [f"would start {service}" for service in (*todo.up, *todo.roll)]
        actions += [f"would write config/{path}" for path in update.stale_config()]
        return {"changed": bool(actions or todo.remove), "id": release.id, "actions": actions}
    node = Node(run, root, params["project"], (params["admin_cert"], params["admin_key"]))
    with store.locked():
        if node.follow_files():
            update.did("opensearch uses the certificates in its files")
        update.start()
    return {
        "changed": bool(update.done),
        "id": release.id,
        "actions": update.done,
        "replaced": [one.name for service in ROLLED for one in update.replaced(service)],
        "seconds": round(time.monotonic() - began, 2),
    }


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "opensearch_admin")
        | {
            "id": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    require(module, "cryptography")
    try:
        module.exit_json(**start(module.run_command, module.params, check=module.check_mode))
    except EngineError as error:
        module.fail_json(msg=str(error), service=error.service)
    except SearchError as error:
        why = f"OpenSearch did not load the certificates from its files: {error}."
        module.fail_json(msg=why, service="opensearch")
    except ReleaseError as error:
        module.fail_json(msg=str(error), service="")


if __name__ == "__main__":
    main()
