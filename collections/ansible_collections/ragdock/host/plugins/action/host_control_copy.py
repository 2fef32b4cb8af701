"""Action: gathers this checkout's playbooks and roles, and sends them when the host's copy differs."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Files that Python, editors and ansible-test leave behind; they are not part of the control copy.
PASSED_OVER = ("__pycache__", ".pyc", ".swp", "~", "ragdock/host/tests/")


def gathered(checkout: Path, names: list[str], texts: dict[str, str]) -> dict[str, bytes]:
    """Path -> content. Links are followed, so the host's copy is complete."""
    found: dict[str, bytes] = {}
    for name in names:
        top = checkout / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = str(path.relative_to(checkout))
            if path.is_file() and not any(part in inside for part in PASSED_OVER):
                found[inside] = path.read_bytes()
    return found | {path: text.encode() for path, text in texts.items()}


def digest_of(files: dict[str, bytes]) -> str:
    """Hash all names and contents, in the same way as the module does on the host."""
    lines = (f"{path} {hashlib.sha256(content).hexdigest()}\n" for path, content in files.items())
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def pack(files: dict[str, bytes], to: Path) -> None:
    """Write the files to an archive."""
    with tarfile.open(to, "w:gz", compresslevel=6) as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


class ActionModule(ActionBase):
    """Compares this checkout with the host's copy and sends the files when they differ."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the module once if nothing differs, twice if something does."""
        super().run(tmp, task_vars)
        given = self._task.args
        texts = {str(path): str(text) for path, text in given.get("texts", {}).items()}
        files = gathered(Path(given["checkout"]), list(given["names"]), texts)
        arguments = {"path": given["path"], "digest": digest_of(files)}
        asked = self._module(arguments, task_vars)
        if asked.get("failed") or not asked.get("changed") or self._task.check_mode:
            return asked
        staging = self._make_tmp_path()
        try:
            with tempfile.TemporaryDirectory() as here:
                pack(files, Path(here) / "deployer.tar.gz")
                there = self._connection._shell.join_path(staging, "deployer.tar.gz")
                self._transfer_file(str(Path(here) / "deployer.tar.gz"), there)
            self._fixup_perms2([staging, there])
            return self._module(arguments | {"archive": there}, task_vars)
        finally:
            self._remove_tmp_path(staging, force=True)

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="ragdock.host.host_control_copy", module_args=arguments, task_vars=task_vars
        )
        return answer
