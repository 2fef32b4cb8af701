#!/usr/bin/python
"""Ansible module: the age of the base images, and whether their registry has newer ones; read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: base_images
short_description: Shows the age of the base images, and what their registry has for the same name now
description:
  - Reads the Dockerfiles' base images on this machine and in their registry; changes nothing.
  - A registry that does not answer is reported and is no failure.
options:
  timeout: {description: Seconds that the registry may take., type: int, default: 10}
extends_documentation_fragment:
  - ragdock.host.arguments.images
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Read the base images and their newest versions
  ragdock.host.base_images:
    checkout: "{{ playbook_dir | dirname }}"
    images: {edge: {context: services/edge, dockerfile: Dockerfile}}
    base_lock: .ragdock/demo/base-images.json
"""

RETURN = r"""
rows:
  description: For each image its name, services on it, the pinned digest, its age, what the registry has.
  returned: always
  type: list
  elements: list
"""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.images.bases import (
    Base,
    Docker,
    Lock,
    bases_of,
    here,
)

BUILT_HERE = "none: built on this machine"
UNPINNED = "none yet: the first build keeps the one it meets"
SILENT = "does not answer"
# Security fixes of a base reach an image only when it is built again on a newer one.
OLD_DAYS = 60
SHOWN = len("sha256:") + 12


def short(digest: str) -> str:
    """Enough of a digest for a table."""
    return digest[:SHOWN]


def age(created: str, now: dt.datetime) -> str:
    """A day and how long ago it was; images whose builders hide the time say 1970 or earlier."""
    made = dt.datetime.fromisoformat(created[:19]).replace(tzinfo=dt.UTC)
    if made.year <= dt.datetime.fromtimestamp(0, dt.UTC).year:
        return "not published"
    days = (now - made).days
    return f"{made:%Y-%m-%d}, {days} day{'' if days == 1 else 's'} ago{', old' if days > OLD_DAYS else ''}"


def created_in(image: Any) -> str:
    """The time in imagetools' output for an image: one configuration, or one for each platform."""
    if not isinstance(image, dict):
        return ""
    if "created" in image:
        return str(image["created"])
    found = image.get("linux/amd64") or next(iter(image.values()), None)
    return created_in(found)


def asked(docker: Docker, ref: str, what: str) -> Any:
    """A part of the registry's answer about an image; None without an answer."""
    code, out, _unused = docker(["buildx", "imagetools", "inspect", "--format", f"{{{{json .{what}}}}}", ref])
    try:
        return json.loads(out) if code == 0 else None
    except ValueError:
        return None


def row(docker: Docker, base: Base, lock: Lock, now: dt.datetime) -> list[str]:
    """Name; pinned digest; when that was built; the registry's current digest."""
    local = here(docker, base, base.name)
    digest = base.digest or lock.digest(base.name)
    manifest = asked(docker, base.name, "Manifest")
    newest = str(manifest.get("digest", "")) if isinstance(manifest, dict) else ""
    created = ""
    if local is not None and not local.digests:
        held, created = BUILT_HERE, local.created
    else:
        held = short(digest) or UNPINNED
        same = here(docker, base, f"{base.name}@{digest}") if digest else local
        created = same.created if same else ""
        if not created and newest:
            created = created_in(asked(docker, f"{base.name}@{digest}" if digest else base.name, "Image"))
    # In full, so that it can be copied into a Dockerfile to use the newer image.
    reported = SILENT if not newest else "the same" if newest == digest else newest
    return [base.name, held, age(created, now) if created else "unknown here", reported]


def main() -> None:
    """Read the arguments, check, report."""
    module = AnsibleModule(
        argument_spec=arguments("images")
        | {
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    params = module.params
    docker = partial(Engine().answer, timeout=params["timeout"])
    checkout = Path(params["checkout"])
    files = {name: checkout / one["context"] / one["dockerfile"] for name, one in params["images"].items()}
    found, lock, now = bases_of(files.values()), Lock(Path(params["base_lock"])), dt.datetime.now(dt.UTC)
    on: dict[str, list[str]] = {}
    for service in sorted(files):
        for base in bases_of([files[service]]):
            on.setdefault(base.name, []).append(service)
    with ThreadPoolExecutor(max_workers=8) as pool:
        reported = list(pool.map(lambda base: row(docker, base, lock, now), found))
    rows = [[name, ", ".join(on[name]), *rest] for name, *rest in reported]
    module.exit_json(changed=False, rows=rows)


if __name__ == "__main__":
    main()
