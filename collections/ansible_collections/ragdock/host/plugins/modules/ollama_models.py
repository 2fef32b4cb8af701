#!/usr/bin/python
"""Ansible module: makes sure that the listed models are present in the host's Ollama.

The action plugin of the same name runs first, on the operator's machine: it
hashes the files, calls this module in `plan` mode to learn what is missing, and sends
only that.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ollama_models
short_description: Makes models present in the host's Ollama
description:
  - Compares the models that Ollama serves with the list and with the record of what each was made from.
  - A model of the library is pulled by a short-lived container of the same image, on a network with a way
    out, because the serving container has none.
  - A model from files is made from exactly the files given, by their hashes.
options:
  models:
    description:
      - Models. Each has C(name), C(source) (library or files), C(files) (paths on the operator's machine)
        and C(parameters).
    type: list
    elements: dict
    required: true
  state_file: {description: Record of what was made from what., type: path, required: true}
  pull_network: {description: Docker network with a way out., type: str, default: bridge}
  plan: {description: Only say what is missing. Set by the action plugin., type: bool, default: false}
  staged: {description: SHA-256 -> path on the host. Set by the action plugin., type: dict, default: {}}
extends_documentation_fragment:
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Install models
  ragdock.host.ollama_models:
    models: "{{ ragdock_models }}"
    state_file: /opt/ragdock/state/models.json
"""

RETURN = r"""
missing: {description: Models that were missing or made from something else., type: list, returned: success}
needed: {description: SHA-256 of the files that the host lacks., type: list, returned: success}
models: {description: "Model -> digest, as recorded.", type: dict, returned: success}
progress: {description: "What was done, a line each.", type: list, returned: always}
"""

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError, address, serving
from ansible_collections.ragdock.host.plugins.module_utils.ollama import Ollama, OllamaError, Puller


def fingerprint(model: dict[str, Any]) -> str:
    """One hash of everything a model is made from."""
    files = {name: one["sha256"] for name, one in (model.get("files") or {}).items()}
    basis = {"source": model["source"], "files": files, "parameters": model.get("parameters") or {}}
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()


class Record:
    """The file that remembers what each model was made from."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.entries: dict[str, Any] = {}
        if self._path.exists():
            self.entries = json.loads(self._path.read_text(encoding="utf-8"))

    def holds(self, model: dict[str, Any], digest: str) -> bool:
        """Whether the model was made from exactly this and has not changed since."""
        entry = self.entries.get(model["name"], {})
        return bool(entry.get("made_from") == fingerprint(model) and entry.get("digest") == digest)

    def remember(self, model: dict[str, Any], digest: str) -> None:
        """Write the entry; a crash leaves the old file or the new one."""
        self.entries[model["name"]] = {
            "source": model["source"],
            "made_from": fingerprint(model),
            "files": {name: one["sha256"] for name, one in (model.get("files") or {}).items()},
            "digest": digest,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.entries, file, indent=2, sort_keys=True)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(self._path)


def missing_models(
    models: list[dict[str, Any]], served: dict[str, str], record: Record
) -> list[dict[str, Any]]:
    """The models that are not served, or are not the configured ones."""
    return [model for model in models if not record.holds(model, served.get(model["name"], ""))]


def needed_files(ollama: Ollama, missing: list[dict[str, Any]]) -> list[str]:
    """The hashes of files that Ollama does not have yet."""
    needed = {one["sha256"] for model in missing for one in (model.get("files") or {}).values()}
    return sorted(digest for digest in needed if not ollama.has_blob(digest))


def make(ollama: Ollama, puller: Puller, model: dict[str, Any], staged: dict[str, str]) -> str:
    """Make one model; return a line about it."""
    began = time.monotonic()
    name, parameters = model["name"], model.get("parameters") or {}
    if model["source"] == "library":
        puller.pull(name)
        if parameters:
            ollama.create(name, base=name, parameters=parameters)
        return f"{name}: pulled from the library in {time.monotonic() - began:.1f} s"
    files = model["files"]
    sent = 0
    for digest in needed_files(ollama, [model]):
        if digest not in staged:
            raise OllamaError(f"file {digest} of model {name} was not sent to the host; run the play again")
        sent += ollama.send_blob(digest, Path(staged[digest]))
    ollama.create(name, files={path: one["sha256"] for path, one in files.items()}, parameters=parameters)
    seconds = time.monotonic() - began
    return f"{name}: made from {len(files)} files, {sent / 1e6:.0f} MB new, in {seconds:.1f} s"


def main() -> None:
    """Compare, then make what is missing."""
    module = AnsibleModule(
        argument_spec=arguments("project")
        | {
            "models": {"type": "list", "elements": "dict", "required": True},
            "state_file": {"type": "path", "required": True},
            "pull_network": {"type": "str", "default": "bridge"},
            "plan": {"type": "bool", "default": False},
            "staged": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    progress: list[str] = []
    try:
        record = Record(params["state_file"])
        container = serving(module.run_command, params["project"], "ollama")
        ollama = Ollama(address(container))
        missing = missing_models(params["models"], ollama.served(), record)
        needed = needed_files(ollama, missing)
        if not params["plan"] and not module.check_mode:
            puller = Puller(module.run_command, container, params["pull_network"])
            for model in missing:
                progress.append(make(ollama, puller, model, params["staged"]))
                digest = ollama.served().get(model["name"], "")
                if not digest:
                    raise OllamaError(f"{model['name']} was made but Ollama does not list it")
                record.remember(model, digest)
    except (EngineError, OllamaError) as error:
        module.fail_json(
            msg=f"Models could not be made present: {error}", progress=progress, changed=bool(progress)
        )
    module.exit_json(
        changed=bool(missing),
        missing=[model["name"] for model in missing],
        needed=needed,
        models={name: entry["digest"] for name, entry in record.entries.items()},
        progress=progress,
    )


if __name__ == "__main__":
    main()
