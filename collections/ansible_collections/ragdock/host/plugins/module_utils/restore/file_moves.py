"""Replace live files by those of a backup, and undo it.

Each move depends only on which files exist (live, staged, kept aside), so repeating the moves completes or
undoes a run that was killed at any point. All three directories are on one file system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Move:
    """One file: with `new`, it comes from the backup; without, the live file is only moved aside."""

    path: str
    new: bool
    old: bool

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


@dataclass(frozen=True)
class RestorePaths:
    """The live files, the staged files of the backup, and where the replaced ones are kept."""

    live: Path
    staged: Path
    aside: Path


def files_below(root: Path) -> Iterator[str]:
    """Every regular file below a directory, as a relative path."""
    if root.is_dir():
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(root))


def plan(paths: RestorePaths, files: Mapping[str, bool], *, others: Sequence[str] = ()) -> list[Move]:
    """The moves that are needed. `files`: path -> whether the live file already has this content."""
    moves = [
        Move(path, new=True, old=(paths.live / path).exists()) for path, same in files.items() if not same
    ]
    return moves + [Move(path, new=False, old=True) for path in others]


def _folder(path: Path, like: Path) -> None:
    """Make a file's missing directories, with the owner and mode of their counterparts."""
    missing = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    for one, model in zip(
        reversed(missing), reversed([like.parent, *like.parent.parents][: len(missing)]), strict=True
    ):
        one.mkdir()
        if model.exists():
            status = model.stat()
            os.chown(one, status.st_uid, status.st_gid)
            one.chmod(status.st_mode & 0o7777)


def _fold(path: Path, top: Path) -> None:
    """Remove directories that a move left empty."""
    for one in path.parents:
        if one == top or not one.is_relative_to(top) or not one.is_dir() or any(one.iterdir()):
            return
        one.rmdir()


def forward(paths: RestorePaths, moves: Sequence[Move]) -> None:
    """Make the backup's files live and move the replaced ones aside."""
    for move in moves:
        live, staged, aside = (place / move.path for place in (paths.live, paths.staged, paths.aside))
        if not move.new:
            if live.exists():
                _folder(aside, live)
                live.replace(aside)
                _fold(live, paths.live)
            continue
        if not staged.exists():
            continue
        if live.exists() and not aside.exists():
            _folder(aside, live)
            # A hard link first, so that the file always exists.
            os.link(live, aside)
        _folder(live, staged)
        staged.replace(live)


def back(paths: RestorePaths, moves: Sequence[Move]) -> None:
    """Move everything back."""
    for move in moves:
        live, staged, aside = (place / move.path for place in (paths.live, paths.staged, paths.aside))
        if move.new and not staged.exists() and live.exists():
            _folder(staged, live)
            live.replace(staged)
        if aside.exists():
            _folder(live, aside)
            if live.exists() and live.samefile(aside):
                aside.unlink()  # killed between the hard link and the replacement
            else:
                aside.replace(live)
            _fold(aside, paths.aside)
        elif move.new and not move.old:
            _fold(live, paths.live)
