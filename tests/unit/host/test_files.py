"""host_system: files in place stay, and a broken file never replaces one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.host import files
from tests.unit.host.conftest import Runner

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


def entry(path: Path, content: str, *validate: str, mode: str = "0640") -> dict[str, Any]:
    """A file as the module receives it."""
    return {"path": str(path), "content": content, "mode": mode, "validate": list(validate), **ME}


def work(*, check_mode: bool = False) -> Any:
    """The module's file work, done on this machine's own files."""
    return files.HostFiles(Runner(check_mode=check_mode), [], [])


def test_file_is_written_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    first = work()
    first.file(entry(path, "text\n"))
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert first.changed == [str(path)]


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    work().file(entry(path, "text\n"))
    moment = path.stat().st_mtime_ns
    second = work()
    second.file(entry(path, "text\n"))
    assert second.changed == []
    assert path.stat().st_mtime_ns == moment


def test_check_mode_reports_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    dry = work(check_mode=True)
    dry.file(entry(path, "new\n"))
    assert dry.changed == [str(path)]
    assert "-old" in dry.diffs[0]
    assert "+new" in dry.diffs[0]
    assert path.read_text() == "old\n"


def test_refused_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("good\n")
    with pytest.raises(files.FilesError, match="was refused by `grep --quiet good"):
        work().file(entry(path, "broken\n", "grep", "--quiet", "good", "%s"))
    assert path.read_text() == "good\n"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_check_puts_every_file_back(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before\n")
    job = work()
    with pytest.raises(files.FilesError, match="All were put back"):
        job.run([], [entry(old, "after\n"), entry(new, "fresh\n")], [], [["false"]])
    assert job.actions == []
    assert old.read_text() == "before\n"
    assert not new.exists()


def test_directory_gets_owner_and_mode_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    expected = {"path": str(path), "mode": "0700", **ME}
    first, second = work(), work()
    first.directory(expected)
    second.directory(expected)
    assert path.stat().st_mode & 0o777 == 0o700
    assert (first.changed, second.changed) == ([str(path)], [])


def test_directory_in_the_place_of_an_absent_file_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(files.FilesError, match="only files are removed"):
        work().remove(tmp_path)
    assert tmp_path.is_dir()


def test_unknown_account_is_named(tmp_path: Path) -> None:
    expected = {**entry(tmp_path / "file", ""), "owner": "nobody-knows-me"}
    with pytest.raises(files.FilesError, match="nobody-knows-me"):
        work().file(expected)
