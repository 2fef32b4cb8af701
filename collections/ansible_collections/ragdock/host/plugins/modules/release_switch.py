#!/usr/bin/python
"""Ansible module: makes a tested release the current one, stops what it replaced, prunes old ones."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_switch
short_description: Makes a release the current one
description:
  - Points C(current) to the release by one rename and appends a line to state/deployments.jsonl.
  - Adds to the release's record what it makes an index with, as the smoke test read it.
  - Publishes to the running services which release serves (state/serving/release.json).
  - Stops the containers that C(release_start) replaced; they finish their answers first.
  - Removes releases and images beyond the count.
  - Never removes the current release, the one before it or their images.
options:
  id: {description: The release., type: str, required: true}
  keep: {description: How many releases stay., type: int, required: true}
  entry: {description: What else the line of history says., type: dict, default: {}}
  contract: {description: index_contract of /api/status; empty when nobody asked., type: dict, default: {}}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Switch to the release
  ragdock.host.release_switch:
    root: /opt/ragdock
    id: 20260101T000000-0123abcd
    keep: 3
"""

RETURN = r"""
previous: {description: The release that served before., returned: success, type: str}
stopped: {description: Containers that were replaced., returned: success, type: list, elements: str}
pruned: {description: Releases and images that were removed., returned: success, type: list, elements: str}
"""

import datetime as dt
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.releases.prune import backed_up, prune
from ansible_collections.ragdock.host.plugins.module_utils.releases.rolling import RollingUpdate
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    RECORD,
    Release,
    ReleaseError,
    Store,
    write_atomically,
)


def announce(root: Path, release: Release) -> None:
    """Publish to the running services which release serves."""
    where = root / "state" / "serving"
    where.mkdir(mode=0o755, parents=True, exist_ok=True)
    where.chmod(0o755)
    write_atomically(where / RECORD, (release.path / RECORD).read_text())


def switch(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    before = store.current()
    previous = before.id if before else ""
    if check:
        return {"changed": previous != params["id"], "previous": previous, "stopped": [], "pruned": []}
    noted = store.note_contract(params["id"], params["contract"])
    release = store.require(params["id"])
    if previous != release.id:
        now = dt.datetime.now(dt.UTC)
        store.switch(release.id, {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "before": previous, **params["entry"]})
    announce(root, release)
    update = RollingUpdate(engine, release, root)
    update.finish()
    pruned, left = [], []
    try:
        pruned = prune(store, engine, params["keep"], backed_up(root))
    except (EngineError, OSError) as error:
        # The release serves; what could not be removed only needs space, until the next time.
        left = [f"Old releases and images were not removed: {error} playbooks/prune.yml removes them."]
    changed = previous != release.id or noted or bool(update.done or pruned)
    return {
        "changed": changed, "previous": previous, "stopped": update.done, "pruned": pruned, "left": left,
    }  # fmt: skip


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "id": {"type": "str", "required": True},
            "keep": {"type": "int", "required": True},
            "entry": {"type": "dict", "default": {}},
            "contract": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        if module.check_mode:
            module.exit_json(**switch(module.params, check=True))
        with Store(Path(module.params["root"])).locked():
            result = switch(module.params, check=False)
        for one in result.pop("left", []):
            module.warn(one)
        module.exit_json(**result)
    except (ReleaseError, EngineError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
