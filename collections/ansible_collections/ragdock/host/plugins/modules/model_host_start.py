#!/usr/bin/python
"""Ansible module: starts the containers of a compose file, with images of the deployment's registry."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: model_host_start
short_description: Start the model host's containers
description:
  - Pulls the images that the engine lacks, with the rights of the host's role, and has compose bring the
    project to its file. Waits until each container is healthy.
  - A container that is as the file says is not touched.
  - After a change, images that no container uses are removed.
options:
  folder: {description: Where compose.yaml is., type: path, required: true}
  images: {description: References that the file names., type: list, elements: str, required: true}
  timeout: {description: Seconds that a container may take to become healthy., type: int, default: 300}
extends_documentation_fragment:
  - ragdock.host.arguments.project
  - ragdock.host.arguments.endpoint
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Start the model host's containers
  ragdock.host.model_host_start:
    folder: /opt/ragdock/models
    images: ["123456789012.dkr.ecr.eu-central-1.amazonaws.com/ragdock/demo/ollama@sha256:0"]
"""

RETURN = r"""
pulled: {description: Images that were pulled., type: list, returned: success}
started: {description: Services whose container is new or was started., type: list, returned: success}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Container, Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.registry import RegistryError, pull

UP_SECONDS = 300


def stale(specs: dict[str, str], containers: list[Container]) -> list[str]:
    """The services that do not run as the file says."""
    running = {one.service: one.spec for one in containers if one.well}
    return sorted(service for service, spec in specs.items() if running.get(service) != spec)


def start(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    engine, folder = Engine(params["project"]), Path(params["folder"])
    missing = engine.missing_images(params["images"])
    if check and not (folder / "compose.yaml").exists():
        return {"changed": True, "pulled": missing, "started": []}
    if missing and not check:
        pull(engine, missing, params["endpoint_url"])
    services = stale(engine.specs(folder), engine.containers())
    if services and not check:
        engine.compose(folder, "up", "--detach", "--remove-orphans", timeout=UP_SECONDS)
        for one in engine.containers():
            engine.wait(one.id, params["timeout"])
    if (missing or services) and not check:
        # Images of earlier versions, several GB each; the registry still has them.
        engine.run("image", "prune", "--all", "--force", timeout=UP_SECONDS)
    return {"changed": bool(missing or services), "pulled": missing, "started": services}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec=arguments("project", "endpoint")
        | {
            "folder": {"type": "path", "required": True},
            "images": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    try:
        module.exit_json(**start(module.params, check=module.check_mode))
    except (EngineError, RegistryError) as error:
        module.fail_json(
            msg=f"The model host does not serve: {error} Until it does, the fallback model answers."
        )


if __name__ == "__main__":
    main()
