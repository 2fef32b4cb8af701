#!/usr/bin/python
"""Ansible module: checks the model host and changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_host_check
short_description: Check the model host
description:
  - Checks on the model host its containers, its certificate, which requests its proxy answers, the models,
    where their layers are, and its disk. A model that is not loaded is loaded first. Changes nothing.
options:
  folder: {description: Where its configuration is., type: path, required: true}
  address: {description: Address at which it serves., type: str, required: true}
  port: {description: Port on which it serves., type: int, required: true}
  models: {description: Models that it must have., type: list, elements: dict, required: true}
  graphics: {description: Its GPUs in words; empty for none., type: str, default: ""}
  load_timeout: {description: Seconds that a model may take to be loaded., type: int, default: 300}
extends_documentation_fragment:
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check the model host
  ragdock.host.model_host_check:
    folder: /opt/ragdock/models
    address: 10.20.1.254
    port: 11443
    models: [{name: "llama3.1:8b", use: [chat]}]
"""

RETURN = r"""
rows: {description: "For each check its area, name, result, figure and hint.", type: list, returned: success}
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    Engine,
    EngineError,
    address,
    serving,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import Endpoint, UnreachableError, trust
from ansible_collections.ragdock.host.plugins.module_utils.ollama import Ollama, OllamaError
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import Row, judged

AREA = "model host"
SERVICES = ("ollama", "proxy")
FULLEST = 0.85
GIB = 1 << 30
SECONDS = 20.0
LOGS = "`docker logs` on the model host shows why; playbooks/deploy.yml starts it again."
DRIVER = (
    "The driver or the toolkit does not work, or the model is larger than the GPUs' memory: `nvidia-smi` "
    "and `docker logs` of Ollama on the model host show which. docs/operate/model-host.md"
)


def containers(engine: Engine) -> Row:
    """Check that both containers run and are healthy."""
    found = {one.service: one for one in engine.containers()}
    broken = [
        found[name].summary() if name in found else f"{name} is missing"
        for name in SERVICES
        if name not in found or not found[name].well
    ]
    return judged(AREA, "its containers are healthy", broken, ", ".join(SERVICES), LOGS)


def proxy(params: dict[str, Any], seconds: float = SECONDS) -> Iterator[Row]:
    """Check the proxy: its certificate, that it requires the key, and that it serves only two paths."""
    secrets = Path(params["folder"]) / "secrets"
    context = trust((secrets / "ca.pem").read_text(encoding="ascii"))
    endpoint = Endpoint(params["address"], params["address"], params["port"], context)
    key = (secrets / "key").read_text(encoding="ascii").strip()

    def answer(path: str, bearer: str, method: str = "POST") -> int:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {bearer}"} if bearer else {}
        )
        return endpoint.send(method, path, timeout=seconds, headers=headers, body=b"{}").status

    chat = "/v1/chat/completions"
    # Ollama itself refuses an empty request, which shows that the request reached it.
    reached = answer(chat, key)
    yield Row(AREA, "its key opens it", reached == 400, str(reached), LOGS)
    strangers = [answer(chat, one) for one in ("", "x" * len(key), key[:-1])]
    yield judged(
        AREA, "a wrong key and none are refused", [f"answered {one}" for one in strangers if one != 401],
        "401, 401, 401", LOGS,
    )  # fmt: skip
    others = {path: answer(path, key) for path in ("/api/pull", "/api/tags", "/v1/models", f"/x/..{chat}")}
    others |= {f"GET {chat}": answer(chat, key, "GET")}
    offers = [f"{path} was answered {status}" for path, status in others.items() if status != 403]
    yield judged(AREA, "nothing but chat and embeddings is answered", offers, f"{len(others)} x 403", LOGS)


def load(ollama: Ollama, model: dict[str, Any], seconds: float) -> None:
    """Load a model, as its first question would."""
    path = "/api/embed" if model["use"] == ["embed"] else "/api/generate"
    wanted = {"model": model["name"], "input": "x"} if path == "/api/embed" else {"model": model["name"]}
    ollama.ask("POST", path, json.dumps(wanted), seconds)


def layers(ollama: Ollama, params: dict[str, Any]) -> Iterator[Row]:
    """Check that each model exists and runs where it should."""
    served = ollama.served()
    for model in params["models"]:
        name = model["name"]
        if not served.get(name):
            yield Row(AREA, f"{name} is there", False, "missing", "Run playbooks/deploy.yml.")
            continue
        load(ollama, model, params["load_timeout"])
        yield placed(name, ollama.loaded(), params["graphics"])


def placed(name: str, loaded: dict[str, tuple[int, int]], graphics: str) -> Row:
    """Where the layers of a model are: all on the GPUs, if there are any."""
    size, on_cards = loaded.get(name, (0, 0))
    share = on_cards / size if size else 0.0
    if not graphics:
        return Row(AREA, f"{name} runs", size > 0, "on the processors: the type has no GPU", LOGS)
    figure = f"{share:.0%} of {size / GIB:.1f} GiB on the GPUs ({graphics})"
    return Row(AREA, f"all layers of {name} are on the GPUs", share >= 1, figure, DRIVER)


def room() -> Row:
    """Check the free disk space."""
    usage = shutil.disk_usage("/")
    figure = f"{usage.used / usage.total:.0%} of {usage.total / GIB:.0f} GiB"
    hint = "Name fewer models, or make the model host anew with more ragdock_model_host_volume_gib."
    return Row(AREA, f"its disk is under {FULLEST:.0%}", usage.used / usage.total < FULLEST, figure, hint)


def rows(module: AnsibleModule) -> Iterator[Row]:
    """Run every check; one that cannot be completed fails and does not stop the others."""
    params = module.params
    yield containers(Engine(params["project"]))
    try:
        yield from proxy(params)
    except (UnreachableError, OSError) as error:
        yield Row(AREA, "its proxy answers", False, str(error), LOGS)
    try:
        ollama = Ollama(address(serving(module.run_command, params["project"], "ollama")))
        yield from layers(ollama, params)
    except (EngineError, OllamaError) as error:
        yield Row(AREA, "its models can be asked", False, str(error), LOGS)
    yield room()


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec=arguments("project")
        | {
            "folder": {"type": "path", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "models": {"type": "list", "elements": "dict", "required": True},
            "graphics": {"type": "str", "default": ""},
            "load_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        found = list(rows(module))
    except EngineError as error:
        module.fail_json(msg=f"The model host cannot be checked: {error}")
    module.exit_json(changed=False, rows=[row.as_dict() for row in found])


if __name__ == "__main__":
    main()
