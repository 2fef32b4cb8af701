"""Documents at the backup's point in time: each gets a hard link, so a later deletion loses nothing.

A hard link costs almost no space or time, and has the document's own content. restic sees the
links in place of the documents, so their paths in a backup are those on the host.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path, PurePath

from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupPaths


def unfinished(path: PurePath) -> bool:
    """Whether PATH, below the documents' directory, is an upload in progress.

    A finished one has a directory of its own, so a document may have any name.
    """
    return path.parts[:-1] == ("uploads",) and path.suffix == ".part"


def documents(root: Path) -> list[Path]:
    """Every complete document, without those that are deleted in the meantime."""
    found: list[Path] = []
    folders = [root]
    while folders:
        here = _inside(root, folders.pop())
        found += here.files
        folders += here.folders
    return sorted(found)


class _Inside:
    """The content of one directory: documents with their inode, and directories."""

    def __init__(self) -> None:
        self.files: dict[Path, int] = {}
        self.folders: list[Path] = []


def _inside(root: Path, folder: Path) -> _Inside:
    """Read from the directory only, without a stat of each file."""
    found = _Inside()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for one in entries:
            path = folder / one.name
            if one.is_dir(follow_symlinks=False):
                found.folders.append(path)
            elif one.is_file(follow_symlinks=False) and not unfinished(path.relative_to(root)):
                found.files[path] = one.inode()
    return found


def release(paths: BackupPaths) -> None:
    """Remove the hard links, and with them documents that were deleted in the meantime."""
    shutil.rmtree(paths.held, ignore_errors=True)


def hold(paths: BackupPaths) -> None:
    """Link every document that exists now, and remove all other links.

    A second call only reads each directory, so the time without writes is short.
    """
    paths.held.mkdir(mode=0o700, exist_ok=True)
    _hold(paths, PurePath())


def _hold(paths: BackupPaths, below: PurePath) -> None:
    folder, beside = paths.raw / below, paths.held / below
    expected, had = _inside(paths.raw, folder), _inside(paths.held, beside)
    folders = {beside / path.name for path in expected.folders}
    for path in folders.difference(had.folders):
        path.mkdir()
    for path in set(had.folders) - folders:
        shutil.rmtree(path)
    for path, inode in had.files.items():
        if expected.files.get(folder / path.name) != inode:
            path.unlink()
    for path, inode in expected.files.items():
        if had.files.get(beside / path.name) != inode:
            # Deleted since the directory was read, so it is not in the backup.
            with contextlib.suppress(FileNotFoundError):
                os.link(path, beside / path.name)
    for path in expected.folders:
        _hold(paths, below / path.name)
    with contextlib.suppress(FileNotFoundError):
        _same_rights(folder.stat(), beside)


def _same_rights(expected: os.stat_result, beside: Path) -> None:
    """Copy a directory's owner, mode and times, which a restore applies again."""
    found = beside.stat()
    if (found.st_uid, found.st_gid) != (expected.st_uid, expected.st_gid):
        os.chown(beside, expected.st_uid, expected.st_gid)
    if found.st_mode != expected.st_mode:
        beside.chmod(stat.S_IMODE(expected.st_mode))
    if found.st_mtime_ns != expected.st_mtime_ns:
        os.utime(beside, ns=(expected.st_atime_ns, expected.st_mtime_ns))


def in_their_place(paths: BackupPaths) -> tuple[str, ...]:
    """A prefix for a command that has to see these links in place of the live documents.

    The mount is in the command's own mount namespace: no other process sees it, and it ends with the command.
    """
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    private = ("unshare", "--mount", "--propagation", "private")
    return (*private, "sh", "-c", script, str(paths.held), str(paths.raw))
