"""Files are moved and moved back; a kill after any single step is completed or undone by a second run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.restore.file_moves import (
    Move,
    RestorePaths,
    back,
    files_below,
    forward,
    plan,
)


def tree(root: Path) -> dict[str, str]:
    """Path -> text of each file below a directory."""
    return {str(path): (root / path).read_text() for path in files_below(root)}


def put(root: Path, **files: str) -> None:
    """Write files; `a__b` is b in the directory a."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def paths(tmp_path: Path) -> RestorePaths:
    """Live files and the files of a backup, which differ."""
    found = RestorePaths(tmp_path / "live", tmp_path / "staged", tmp_path / "aside")
    put(found.live, same="1", changed="new", u__1__extra="mine")
    put(found.staged, same="1", changed="old", u__2__lost="back")
    found.aside.mkdir()
    return found


WANTED = {"same": True, "changed": False, "u/2/lost": False}
BEFORE = {"same": "1", "changed": "new", "u/1/extra": "mine"}
AFTER = {"same": "1", "changed": "old", "u/2/lost": "back"}


@pytest.fixture
def moves(paths: RestorePaths) -> list[Move]:
    """All moves of the restore."""
    found: list[Move] = plan(paths, WANTED, others=["u/1/extra"])
    return found


def test_forward_makes_the_backups_files_live_and_keeps_the_others(
    paths: RestorePaths, moves: list[Move]
) -> None:
    forward(paths, moves)
    assert tree(paths.live) == AFTER
    assert tree(paths.aside) == {"changed": "new", "u/1/extra": "mine"}
    assert not (paths.live / "u/1").exists(), "an empty directory stayed"


def test_back_restores_every_file_and_every_directory(paths: RestorePaths, moves: list[Move]) -> None:
    forward(paths, moves)
    back(paths, moves)
    assert tree(paths.live) == BEFORE
    assert tree(paths.aside) == {}
    assert not (paths.live / "u/2").exists()


class Killed(BaseException):
    """The process was killed."""


def killer(after: int) -> Callable[[str, tuple[object, ...]], None]:
    """Return an audit function that raises at the n-th change of the file system."""
    left = [after]

    def audit(event: str, _arguments: tuple[object, ...]) -> None:
        if event in ("os.rename", "os.link", "os.mkdir", "os.rmdir", "os.remove") and left[0] >= 0:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    return audit


@pytest.mark.parametrize("step", range(12))
@pytest.mark.parametrize("then", ["undone", "completed"])
def test_a_kill_before_any_step_is_undone_or_completed(
    paths: RestorePaths, moves: list[Move], step: int, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change of the file system goes through these five calls; the process dies at the n-th."""
    audit = killer(step)
    originals = {
        name: getattr(os, name) for name in ("rename", "replace", "link", "mkdir", "rmdir", "unlink")
    }
    for name, original in originals.items():

        def watched(
            *args: object, _name: str = name, _real: Callable[..., None] = original, **more: object
        ) -> None:
            audit({"replace": "os.rename", "unlink": "os.remove"}.get(_name, f"os.{_name}"), args)
            _real(*args, **more)

        monkeypatch.setattr(os, name, watched)
    try:
        forward(paths, moves)
    except Killed:
        killed = True
    else:
        killed = False
    monkeypatch.undo()
    assert killed or step > 6, "the kill never came: the test proves nothing"
    if then == "undone":
        back(paths, moves)
        assert tree(paths.live) == BEFORE
    else:
        forward(paths, moves)
        assert tree(paths.live) == AFTER
        back(paths, moves)
        assert tree(paths.live) == BEFORE


def test_nothing_to_do_is_no_move(paths: RestorePaths) -> None:
    assert plan(paths, {"same": True}) == []
