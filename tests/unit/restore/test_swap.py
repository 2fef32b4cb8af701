"""Files go forth and back; a kill after any single step is completed or undone by doing it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.restore.file_moves import (
    Move,
    Places,
    back,
    files_below,
    forward,
    plan,
)


def tree(root: Path) -> dict[str, str]:
    """Path -> text."""
    return {str(path): (root / path).read_text() for path in files_below(root)}


def put(root: Path, **files: str) -> None:
    """Write files; `a__b` is b in the directory a."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Live files, and a backup of others."""
    found = Places(tmp_path / "live", tmp_path / "staged", tmp_path / "aside")
    put(found.live, same="1", changed="new", u__1__extra="mine")
    put(found.staged, same="1", changed="old", u__2__lost="back")
    found.aside.mkdir()
    return found


WANTED = {"same": True, "changed": False, "u/2/lost": False}
BEFORE = {"same": "1", "changed": "new", "u/1/extra": "mine"}
AFTER = {"same": "1", "changed": "old", "u/2/lost": "back"}


@pytest.fixture
def moves(places: Places) -> list[Move]:
    """All that has to move."""
    found: list[Move] = plan(places, WANTED, others=["u/1/extra"])
    return found


def test_forward_makes_the_backups_files_live_and_keeps_the_others(places: Places, moves: list[Move]) -> None:
    forward(places, moves)
    assert tree(places.live) == AFTER
    assert tree(places.aside) == {"changed": "new", "u/1/extra": "mine"}
    assert not (places.live / "u/1").exists(), "an empty directory stayed"


def test_back_restores_every_file_and_every_directory(places: Places, moves: list[Move]) -> None:
    forward(places, moves)
    back(places, moves)
    assert tree(places.live) == BEFORE
    assert tree(places.aside) == {}
    assert not (places.live / "u/2").exists()


class Killed(BaseException):
    """The process is no more."""


def killer(after: int) -> Callable[[str, tuple[object, ...]], None]:
    """Raises at the n-th change of the file system."""
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
    places: Places, moves: list[Move], step: int, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change of the file system goes through these five calls; the n-th is the last of its life."""
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
        forward(places, moves)
    except Killed:
        killed = True
    else:
        killed = False
    monkeypatch.undo()
    assert killed or step > 6, "the kill never came: the test proves nothing"
    if then == "undone":
        back(places, moves)
        assert tree(places.live) == BEFORE
    else:
        forward(places, moves)
        assert tree(places.live) == AFTER
        back(places, moves)
        assert tree(places.live) == BEFORE


def test_nothing_to_do_is_no_move(places: Places) -> None:
    assert plan(places, {"same": True}) == []
