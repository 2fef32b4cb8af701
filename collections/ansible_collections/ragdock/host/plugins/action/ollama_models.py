"""Action: hashes the operator's model files, asks the host what is missing, and sends only that.

Model files have hundreds of megabytes, so an unchanged file must not be sent again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

MODULE = "ragdock.host.ollama_models"


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_of(model: dict[str, Any]) -> dict[str, Path]:
    """Name inside the model -> file, for a model made from files: single files, or whole directories."""
    found: dict[str, Path] = {}
    for given in model.get("files") or []:
        path = Path(given).expanduser().absolute()
        if path.is_dir():
            inside = (one.relative_to(path) for one in sorted(path.rglob("*")) if one.is_file())
            # .gitattributes and the like are not part of a model.
            found.update({str(one): path / one for one in inside if not str(one).startswith(".")})
        elif path.is_file():
            found[path.name] = path
        else:
            raise AnsibleActionFail(
                f"Model {model.get('name')}: {path} does not exist on this machine. "
                "Put the file there, or correct `files` of this model in ragdock_models."
            )
    if not found:
        raise AnsibleActionFail(
            f"Model {model.get('name')} has source: files, but no files. "
            "Name one .gguf file, or the directory of a safetensors model, in ragdock_models."
        )
    return found


class ActionModule(ActionBase):
    """Plans on the host, sends the files that it lacks, then makes the models."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module at most twice: to plan, and to apply."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        paths: dict[str, Path] = {}
        models = [self._described(model, paths) for model in arguments.get("models") or []]
        arguments["models"] = models
        planned = self._module(arguments | {"plan": True}, task_vars)
        if planned.get("failed") or not planned.get("missing") or self._task.check_mode:
            return planned
        staging = self._make_tmp_path()
        try:
            staged = {}
            for digest in planned["needed"]:
                self._display.vv(f"sending {paths[digest]}")
                staged[digest] = self._connection._shell.join_path(staging, digest)
                self._transfer_file(str(paths[digest]), staged[digest])
            self._fixup_perms2([staging, *staged.values()])
            return self._module(arguments | {"staged": staged}, task_vars)
        finally:
            self._remove_tmp_path(staging, force=True)

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args=arguments, task_vars=task_vars
        )
        return answer

    @staticmethod
    def _described(model: dict[str, Any], paths: dict[str, Path]) -> dict[str, Any]:
        """The model with the hashes of its files in place of their paths."""
        described: dict[str, Any] = {
            key: model[key] for key in ("name", "source", "parameters") if key in model
        }
        if model.get("source") == "files":
            described["files"] = {}
            for name, path in tree_of(model).items():
                digest = hash_of(path)
                paths[digest] = path
                described["files"][name] = {"sha256": digest}
        return described
