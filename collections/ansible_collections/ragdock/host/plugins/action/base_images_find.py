"""Action: checks that each base image exists and is not a stand-in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.images.bases import Lock, bases_of, find
from ansible_collections.ragdock.host.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """Looks for each base image."""

    ARGUMENTS: ClassVar[dict[str, dict[str, Any]]] = arguments("images") | {
        "standins": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 20},
    }
    LIBRARIES = ()

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the names of the base images."""
        docker = partial(Engine().answer, timeout=params["timeout"])
        checkout, lock = Path(params["checkout"]), Lock(Path(params["base_lock"]))
        bases = bases_of(checkout / one["context"] / one["dockerfile"] for one in params["images"].values())
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = list(pool.map(lambda base: find(docker, base, lock, standins=params["standins"]), bases))
        for one in found:
            if one.unknown:
                self._display.warning(one.unknown)
        if problems := [one.problem for one in found if one.problem]:
            raise AnsibleActionFail("\n".join([*problems, "Nothing was changed."]))
        return {"changed": False, "images": [base.name for base in bases]}
