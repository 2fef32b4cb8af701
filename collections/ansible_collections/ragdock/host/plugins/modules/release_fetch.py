#!/usr/bin/python
"""Ansible module: pulls a staged release's images from the registry and completes the release."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_fetch
short_description: Pulls a release's images by digest and makes the release complete
description:
  - Pulls what this host does not have, with the credentials of the instance's role; no token stays on disk.
  - Lets the edge's own new image check the edge's configuration.
  - Renames releases/<id>.tmp to releases/<id>. Nothing that runs is touched.
options:
  id: {description: The release., type: str, required: true}
  endpoint_url: {description: Address of the AWS API; empty for AWS itself., type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.root
  - ragdock.host.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: The release's images are on the host
  ragdock.host.release_fetch:
    root: /opt/ragdock
    id: 20260101T000000-0123abcd
"""

RETURN = r"""
pulled: {description: References that were pulled., returned: success, type: list, elements: str}
"""

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError, last_lines
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.registry import RegistryError, pull
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    RECORD,
    Release,
    ReleaseError,
    Store,
)


def edge_check(release: Path, root: Path, image: str) -> list[str]:
    """The words after `docker` that let Caddy check its configuration, with the rights it will have."""
    return [
        "run", "--rm", "--network", "none", "--read-only", "--security-opt", "no-new-privileges",
        "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--user", "10003:10003",
        "--tmpfs", "/data:uid=10003,gid=10003", "--tmpfs", "/run/caddy:uid=10003,gid=10003",
        "--volume", f"{release / 'config' / 'edge'}:/etc/caddy:ro",
        "--volume", f"{root / 'secrets' / 'edge'}:/etc/edge-ca:ro",
        "--entrypoint", "caddy", image, "validate", "--config", "/etc/caddy/Caddyfile",
    ]  # fmt: skip


def check_edge(engine: Engine, release: Path, root: Path, image: str) -> None:
    """Caddy of this release accepts its configuration."""
    done = engine.run(*edge_check(release, root, image), check=False)
    if done.returncode != 0:
        raise ReleaseError(
            f"Caddy refuses the rendered Caddyfile: {last_lines(done.stderr, 1)}. "
            "Check compose/edge/Caddyfile.j2."
        )


def fetch(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it; the result for Ansible."""
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    staged = store.releases / f"{params['id']}.tmp"
    complete = store.get(params["id"])
    if check:
        return {"changed": complete is None, "pulled": []}
    release = complete or Release(staged, json.loads((staged / RECORD).read_text()))
    missing = engine.missing_images([image["ref"] for image in release.images.values()])
    if missing:
        pull(engine, missing, params["endpoint_url"])
    if complete is None:
        check_edge(engine, staged, root, release.images["edge"]["ref"])
        store.complete(params["id"])
    return {"changed": bool(missing) or complete is None, "pulled": missing}


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "id": {"type": "str", "required": True},
            "endpoint_url": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    try:
        if module.check_mode:
            module.exit_json(**fetch(module.params, check=True))
        with Store(Path(module.params["root"])).locked():
            result = fetch(module.params, check=False)
        module.exit_json(**result)
    except (ReleaseError, EngineError, RegistryError) as error:
        serving = Store(Path(module.params["root"])).serving()
        module.fail_json(msg=f"{error} Nothing that runs was changed; {serving}.")


if __name__ == "__main__":
    main()
