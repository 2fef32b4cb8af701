#!/usr/bin/python
"""Directories, files and absent paths of one role, made true in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Directories, files and absent paths, made true in one call
description:
  - One module call costs as much as one task of M(ansible.builtin.template), whatever the number of files.
  - A file is checked by its own program before it replaces the old one, so a broken file is never used.
  - With O(checks), the whole is checked again after the files are in place; when a check fails, every file
    of this call gets its former content back.
options:
  directories:
    description: Directories that exist, with owner, group and mode; parents are made as needed, owned by
      root.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: User name or number., type: str, default: root}
      group: {description: Group name or number., type: str, default: root}
      mode: {description: Octal mode., type: str, default: "0755"}
  files:
    description: Files with exactly this content, owner, group and mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: The whole content., type: str, required: true}
      owner: {description: User name or number., type: str, default: root}
      group: {description: Group name or number., type: str, default: root}
      mode: {description: Octal mode., type: str, default: "0644"}
      validate:
        description: Program and arguments that accept or refuse the new file; C(%s) is replaced by its path.
        type: list
        elements: str
        default: []
  absent:
    description: Paths of files that must not exist.
    type: list
    elements: path
    default: []
  checks:
    description: Commands that must succeed once changed files are in place.
    type: list
    elements: list
    default: []
attributes:
  platform: {platforms: debian}
  check_mode: {support: full}
  diff_mode: {support: full}
extends_documentation_fragment:
  - action_common_attributes
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Editor's settings are in place
  ragdock.host.host_files:
    directories: [{path: /etc/ragdock, mode: "0755"}]
    files:
      - {path: /etc/ragdock/motd, content: "hello\n"}
"""

RETURN = r"""
changed_paths:
  description: Every path that was, or in check mode would be, made, changed or removed.
  type: list
  elements: str
  returned: always
"""

import difflib
import errno
import grp
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes


class FilesError(Exception):
    """What cannot be done, why, and what to do about it."""


@dataclass(frozen=True)
class Ownership:
    """Owner, group and permission bits that a path must have."""

    uid: int
    gid: int
    mode: int

    @classmethod
    def requested(cls, entry: dict[str, Any]) -> Ownership:
        """Resolve names to numbers; a number needs no account behind it."""
        owner, group = entry["owner"], entry["group"]
        try:
            uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise FilesError(
                f"{entry['path']} should belong to {owner}:{group}, but this host has no such account "
                f"({error}). Give a number, or let an earlier task make the account."
            ) from error
        return cls(uid, gid, int(entry["mode"], 8))

    @classmethod
    def found(cls, path: Path) -> Ownership:
        """What the path has now; a symbolic link is not followed."""
        status = path.lstat()
        return cls(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))

    def apply(self, path: Path) -> None:
        """Give the path this owner and mode."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        # After chown, which clears set-id bits.
        path.chmod(self.mode)

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid} {self.mode:04o}"


@dataclass
class Before:
    """What was at a path, for the rollback."""

    path: Path
    content: bytes | None
    ownership: Ownership | None

    @classmethod
    def of(cls, path: Path) -> Before:
        """Remember the file, or that there was none."""
        if not path.exists():
            return cls(path, None, None)
        return cls(path, path.read_bytes(), Ownership.found(path))

    def restore(self) -> None:
        """Put the remembered file back."""
        if self.content is None or self.ownership is None:
            self.path.unlink(missing_ok=True)
        else:
            replace(self.path, self.content, self.ownership)


def replace(path: Path, content: bytes, ownership: Ownership) -> None:
    """Give the path its new content in one step, so that no reader sees half a file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        handle.write(content)
        temporary = Path(handle.name)
    try:
        ownership.apply(temporary)
        try:
            temporary.replace(path)
        except OSError as error:
            # A mount point (a container's /etc/hostname) cannot be replaced, only rewritten.
            if error.errno != errno.EBUSY:
                raise
            path.write_bytes(content)
            ownership.apply(path)
    finally:
        temporary.unlink(missing_ok=True)


def unified(path: Path, before: str, after: str) -> str:
    """Text for --diff."""
    lines = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), f"{path} (before)", f"{path} (after)"
    )
    return "".join(lines)


class HostFiles:
    """One call's work: what differs, what is written, what is put back."""

    def __init__(self, module: Changes) -> None:
        self.module = module
        self.changed: list[str] = []
        self.diffs: list[str] = []
        self.before: list[Before] = []

    def directory(self, entry: dict[str, Any]) -> None:
        """Make a directory, or give it its owner and mode."""
        path, expected = Path(entry["path"]), Ownership.requested(entry)
        if path.exists() and not path.is_dir():
            raise FilesError(
                f"{path} must be a directory, but a file is there. Move it away, then run again."
            )
        found = Ownership.found(path) if path.exists() else None
        if found == expected:
            return
        self.note(path, unified(path, f"{found or 'absent'}\n", f"{expected}\n"))
        if not self.module.check_mode:
            path.mkdir(parents=True, exist_ok=True)
            expected.apply(path)

    def file(self, entry: dict[str, Any]) -> None:
        """Check the new content with its own program, then put it in place."""
        path, expected, content = Path(entry["path"]), Ownership.requested(entry), entry["content"].encode()
        before = Before.of(path)
        if before.content == content and before.ownership == expected:
            return
        if before.content == content:
            text = unified(path, f"{before.ownership}\n", f"{expected}\n")
        else:
            text = unified(path, (before.content or b"").decode(errors="replace"), entry["content"])
            self.validate(path, content, entry["validate"])
        self.note(path, text)
        if self.module.check_mode:
            return
        self.before.append(before)
        path.parent.mkdir(parents=True, exist_ok=True)
        if before.content == content:
            expected.apply(path)
        else:
            replace(path, content, expected)

    def remove(self, path: Path) -> None:
        """Remove a file that must not be there."""
        if not path.exists() and not path.is_symlink():
            return
        if path.is_dir() and not path.is_symlink():
            raise FilesError(
                f"{path} must not exist, but it is a directory; only files are removed. Check it first."
            )
        self.note(path, f"--- {path} (removed)\n")
        if not self.module.check_mode:
            self.before.append(Before.of(path))
            path.unlink()

    def validate(self, path: Path, content: bytes, command: list[str]) -> None:
        """Check the new content with the file's own program."""
        if not command:
            return
        if self.module.check_mode and shutil.which(command[0]) is None:
            # A dry run on a new host: the package of the checker is not installed yet.
            return
        with tempfile.NamedTemporaryFile(prefix="ragdock-", suffix=f"-{path.name}") as handle:
            handle.write(content)
            handle.flush()
            argv = [word.replace("%s", handle.name) for word in command]
            code, out, err = self.module.run_command(argv)
        if code:
            raise FilesError(
                f"The new {path} was refused by `{' '.join(command)}`: {(err or out).strip()}. The old file "
                "still serves. Correct the setting that the message names, then run again."
            )

    def check(self, commands: list[list[str]]) -> None:
        """Check the whole; roll everything back when that fails."""
        if self.module.check_mode or not self.changed:
            return
        for command in commands:
            code, out, err = self.module.run_command(command)
            if code:
                for before in reversed(self.before):
                    before.restore()
                raise FilesError(
                    f"`{' '.join(command)}` refused the new files: {(err or out).strip()}. All were put back "
                    f"as they were ({', '.join(self.changed)}). Correct the setting that the message names, "
                    "then run again."
                )

    def note(self, path: Path, text: str) -> None:
        """Remember a change for the report."""
        self.changed.append(str(path))
        self.diffs.append(text)


def options() -> dict[str, Any]:
    """The module's arguments, as DOCUMENTATION describes them."""
    owned: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    directory = {**owned, "mode": {"type": "str", "default": "0755"}}
    file = {
        **owned,
        "mode": {"type": "str", "default": "0644"},
        "content": {"type": "str", "required": True},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    return {
        "directories": {"type": "list", "elements": "dict", "default": [], "options": directory},
        "files": {"type": "list", "elements": "dict", "default": [], "options": file},
        "absent": {"type": "list", "elements": "path", "default": []},
        "checks": {"type": "list", "elements": "list", "default": []},
    }


def main() -> None:
    """Run as an Ansible module."""
    # no_log keeps the contents out of the host's journal; what is returned stays visible.
    module = AnsibleModule(argument_spec=options(), supports_check_mode=True, no_log=True)
    work = HostFiles(module)
    try:
        for entry in module.params["directories"]:
            work.directory(entry)
        for entry in module.params["files"]:
            work.file(entry)
        for path in module.params["absent"]:
            work.remove(Path(path))
        work.check(module.params["checks"])
    except FilesError as error:
        module.fail_json(msg=str(error), changed_paths=work.changed)
    module.exit_json(
        changed=bool(work.changed), changed_paths=work.changed, diff={"prepared": "".join(work.diffs)}
    )


if __name__ == "__main__":
    main()
