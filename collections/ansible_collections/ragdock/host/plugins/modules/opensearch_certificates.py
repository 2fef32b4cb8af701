#!/usr/bin/python
"""Ansible module: writes OpenSearch's secret files, and makes the running node load them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: opensearch_certificates
short_description: Writes OpenSearch's certificate files and makes the running node load them
description:
  - Writes the given secret files that differ.
  - Makes the running node reload its files; a node that already has their content does not change.
  - A node that does not trust the admin certificate, or that we do not trust, is restarted.
  - A node that does not run, or that an older release started, is not touched; the start of the release
    handles it.
  - If a certificate has expired, the node is not asked; the rotation goes on to a new certificate.
options:
  files:
    description: Files below root/secrets; empty leaves all as they are.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Below root/secrets., type: str, required: true}
      uid: {description: Owner and group., type: int, required: true}
      content_base64: {description: The secret in base64., type: str, required: true}
  timeout: {description: Seconds to wait until the node answers., type: int, default: 120}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.opensearch_admin
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Update OpenSearch's certificates and the password of its health check
  ragdock.host.opensearch_certificates:
    root: /opt/ragdock
    admin_cert: "{{ secrets.opensearch_admin_cert }}"
    admin_key: "{{ secrets.opensearch_admin_key }}"
"""

RETURN = r"""
written: {description: Files that were not as wanted., returned: success, type: list, elements: str}
restarted: {description: Whether the node had to start anew., returned: success, type: bool}
"""

import base64
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError, Run
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store, ensure_secret


def bring(run: Run, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    root = Path(params["root"])
    written = [
        one["path"]
        for one in params["files"]
        if ensure_secret(
            root / "secrets" / one["path"],
            base64.b64decode(one["content_base64"]).decode(),
            one["uid"],
            check=check,
        )
    ]
    admin = (params["admin_cert"], params["admin_key"])
    node = Node(run, root, params["project"], admin, params["timeout"])
    changed = not check and node.follow_files()
    return {"written": written, "restarted": node.restarted, "changed": changed or bool(written)}


def main() -> None:
    """Read the arguments, do it, report."""
    file = {
        "path": {"type": "str", "required": True},
        "uid": {"type": "int", "required": True},
        "content_base64": {"type": "str", "required": True, "no_log": True},
    }
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "opensearch_admin")
        | {
            "files": {"type": "list", "elements": "dict", "default": [], "options": file},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    require(module, "cryptography")
    params = module.params
    try:
        if module.check_mode:
            module.exit_json(**bring(module.run_command, params, check=True))
        with Store(Path(params["root"])).locked():
            result = bring(module.run_command, params, check=False)
    except (EngineError, SearchError) as error:
        module.fail_json(msg=f"OpenSearch did not load the certificates from its files: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
