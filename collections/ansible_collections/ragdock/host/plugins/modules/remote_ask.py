#!/usr/bin/python
"""Ansible module: asks each model that runs elsewhere once, when something about it changed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: remote_ask
short_description: Asks each model that runs elsewhere once
description:
  - Sends one tiny request for each use of a model, through the proxy as the services do. Costs a few tokens.
  - Only when the model, its server or its key changed since the last answer.
  - If there is none, the module fails; for a model of the model host, it only warns.
options:
  models:
    description: Models, as the filter remote_models gives them.
    type: list
    elements: dict
    required: true
  model_host_runs: {description: Whether models of the model host can be asked., type: bool, default: true}
  timeout: {description: Seconds for each answer., type: int, default: 60}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Ask each model that runs elsewhere once
  ragdock.host.remote_ask:
    models: "{{ ragdock_models | ragdock.host.remote_models }}"
"""

RETURN = r"""
asked: {description: "Model and use -> what it answered.", type: dict, returned: success}
"""

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError, address, serving
from ansible_collections.ragdock.host.plugins.module_utils.releases import keys_before
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import write_atomically
from ansible_collections.ragdock.host.plugins.module_utils.remote import NAME, Remote, RemoteError

RECORD = "state/remote.json"
DEFINING = ("model", "host", "path", "chat", "embed", "ca_file", "ca")


def made_of(root: Path, model: dict[str, Any]) -> dict[str, Any]:
    """What an answer depends on: of a key, the time of its file; Bedrock's hourly keys do not count."""
    key = root / "secrets" / NAME / model["slug"]
    since = 0 if model["bedrock"] or not key.is_file() else key.stat().st_mtime_ns
    return {**{name: model[name] for name in DEFINING}, "key_since": since}


def main() -> None:
    """Ask the models that changed."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "models": {"type": "list", "elements": "dict", "required": True},
            "model_host_runs": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    root = Path(params["root"])
    record = root / RECORD
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    # While the model host is stopped, the fallback model answers; its own models are asked when it runs.
    awake = [one for one in params["models"] if params["model_host_runs"] or not one["model_host"]]
    names = {one["name"] for one in params["models"]}
    wanted = {name: one for name, one in known.items() if name in names} | {
        one["name"]: made_of(root, one) for one in awake
    }
    new = [one for one in awake if known.get(one["name"]) != wanted[one["name"]]]
    if not new and not module.check_mode:
        keys_before.forget(root)
    if module.check_mode or (not new and set(known) == set(wanted)):
        module.exit_json(changed=bool(new) or set(known) != set(wanted), asked={})
    asked: dict[str, str] = {}
    for one in new:
        try:
            remote = Remote(
                address(serving(module.run_command, params["project"], NAME)), float(params["timeout"])
            )
            # A model without a use may be of either kind, and nothing depends on its answer.
            for use in (use for use in ("chat", "embed") if one[use] and not one["kept"]):
                asked[f"{one['name']} ({use})"] = remote.ask(one["slug"], one["model"], embed=use == "embed")
        except (EngineError, RemoteError) as error:
            if one["model_host"] and isinstance(error, RemoteError):
                # The main host does not depend on it. Asked again next time, since nothing is recorded.
                module.warn(
                    f"The model {one['name']} on the model host {error}. Until it answers, the fallback "
                    "model does. playbooks/verify.yml checks the model host."
                )
                wanted.pop(one["name"])
                continue
            module.fail_json(
                msg=f"The model {one['name']} at {one['host']} {error}. Nothing is lost; "
                "docs/operate/remote-models.md says what each answer means."
            )
    keys_before.forget(root)
    write_atomically(record, json.dumps(wanted, indent=2, sort_keys=True) + "\n")
    module.exit_json(changed=bool(asked) or known != wanted, asked=asked)


if __name__ == "__main__":
    main()
