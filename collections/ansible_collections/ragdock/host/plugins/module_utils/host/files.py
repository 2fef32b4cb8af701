"""Directories, files and absent paths."""

from __future__ import annotations

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

from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes
from ansible_collections.ragdock.host.plugins.module_utils.host.errors import HostError


class FilesError(HostError):
    """What cannot be done, why, and what to do about it."""


@dataclass(frozen=True)
class Ownership:
    """Owner, group and permission bits that a path must have."""

    uid: int
    gid: int
    mode: int

    @classmethod
    def requested(cls, entry: dict[str, Any]) -> Ownership:
        """Resolve names to numbers; a number needs no account."""
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
    """A unified diff for --diff."""
    lines = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), f"{path} (before)", f"{path} (after)"
    )
    return "".join(lines)


class HostFiles:
    """One call's work: what differs, what is written, what is put back."""

    def __init__(self, module: Changes, actions: list[str], diffs: list[str]) -> None:
        self.module = module
        self.actions = actions
        self.diffs = diffs
        self.changed: list[str] = []
        self.before: list[Before] = []

    def run(
        self,
        directories: list[dict[str, Any]],
        files: list[dict[str, Any]],
        absent: list[str],
        checks: list[list[str]],
    ) -> None:
        """Apply all of it, then run the checks. Raises FilesError."""
        try:
            for entry in directories:
                self.directory(entry)
            for entry in files:
                self.file(entry)
            for path in absent:
                self.remove(Path(path))
            self.check(checks)
        finally:
            self.actions += [f"change {path}" for path in self.changed]

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
        """Run the checks; roll everything back when one fails."""
        if self.module.check_mode or not self.changed:
            return
        for command in commands:
            code, out, err = self.module.run_command(command)
            if code:
                for before in reversed(self.before):
                    before.restore()
                back, self.changed = self.changed, []
                raise FilesError(
                    f"`{' '.join(command)}` refused the new files: {(err or out).strip()}. All were put back "
                    f"as they were ({', '.join(back)}). Correct the setting that the message names, "
                    "then run again."
                )

    def note(self, path: Path, text: str) -> None:
        """Remember a change for the report."""
        self.changed.append(str(path))
        self.diffs.append(text)
