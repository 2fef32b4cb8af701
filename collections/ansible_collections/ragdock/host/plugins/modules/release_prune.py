#!/usr/bin/python
"""Ansible module: removes old releases and images, but none that serves, served last or backups need."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_prune
short_description: Removes old releases and images
description:
  - Keeps the current release, the one before it, and those that kept backups were made of, with their images.
  - Removes images only of this deployment's own repositories, and layers that no image names any more.
options:
  keep: {description: How many releases stay., type: int, required: true}
  repository: {description: Where the backups are; those of no backup are not needed., type: str, default: ""}
  region: {description: AWS region., type: str, default: ""}
  password: {description: The repository's password., type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Remove old releases and images
  ragdock.host.release_prune:
    root: /opt/ragdock
    keep: 3
"""

RETURN = r"""
pruned: {description: What was removed., type: list, returned: success}
figures: {description: Releases and images that went and the bytes they took., type: dict, returned: success}
began: {description: "When it began, in seconds since the epoch.", type: float, returned: success}
"""

import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupError,
    BackupPaths,
    Memory,
)
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.releases.prune import prune, unused_images
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import ReleaseError, Store
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository, ResticError


def of_backups(params: dict[str, Any]) -> set[str]:
    """Releases that backups were made of. If backups cannot be read, raises, so that nothing is removed."""
    if not params["repository"]:
        return set()
    cache = Path(params["root"]) / "backup" / "cache"
    repository = Repository(
        params["repository"], password=params["password"], region=params["region"], cache=cache
    )
    if not repository.exists():
        if last := Memory(BackupPaths(Path(params["root"]))).values.get("last"):
            raise BackupError(
                f"Backup {last['id']} was made, but {params['repository']} holds none. Find out who removed"
                " them; playbooks/undelete.yml may bring them back."
            )
        return set()
    return {one.release for one in repository.backups()}


def work(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Prune, or report what would be pruned."""
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    needed = of_backups(params)
    if check:
        doomed = [path.name for path in store.doomed(params["keep"]) if path.name not in needed]
        have = engine.run(
            "image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}"
        ).stdout.split()
        stays = [release for release in store.all() if release.id not in doomed]
        gone = doomed + unused_images(have, stays)
        return {"changed": bool(gone), "pruned": gone, "figures": {}}
    before = shutil.disk_usage(root).free
    with store.locked():
        gone = prune(store, engine, params["keep"], needed)
        # Untagged images that pulls and builds left.
        engine.run("image", "prune", "--force", timeout=600)
    images = [name for name in gone if "@" in name]
    freed = max(0, shutil.disk_usage(root).free - before)
    figures = {
        "releases": len(gone) - len(images),
        "images": len(images),
        "bytes_freed": freed,
        "kept": len(store.all()),
    }
    return {"changed": bool(gone), "pruned": gone, "figures": figures}


def main() -> None:
    """Prune releases and images."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "keep": {"type": "int", "required": True},
            "repository": {"type": "str", "default": ""},
            "region": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    began = time.time()
    try:
        result = work(module.params, check=module.check_mode)
    except (BackupError, ReleaseError, EngineError, ResticError, OSError) as error:
        module.fail_json(msg=f"{error} What serves was not touched.", began=began)
    module.exit_json(began=began, **result)


if __name__ == "__main__":
    main()
