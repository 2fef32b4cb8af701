"""A damaged repository is found and repaired from what the host still has, or the loss is reported."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupPaths, Settings
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository
from ansible_collections.ragdock.host.plugins.modules import backup_maintain, backup_prepare


def never(*words: str) -> tuple[int, str, str]:
    """A command runner that fails: a repair runs no command on the host."""
    raise AssertionError(words)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """Content that fills packs."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(3):
        # Incompressible content: the damage must hit the content, not the pack's own index of it.
        (folder / f"{number}.txt").write_bytes(random.Random(number).randbytes(200_000))  # noqa: S311
    return folder


def damage(repository: Repository) -> str:
    """Flip a bit in the largest pack and return the pack's name."""
    packs = [path for path in Path(repository.location, "data").rglob("*") if path.is_file()]
    largest = max(packs, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 3] ^= 0xFF
    largest.chmod(0o600)
    largest.write_bytes(content)
    return largest.name


def test_damage_is_found_named_and_repaired(
    repository: Repository, settings: Settings, paths: BackupPaths, papers: Path
) -> None:
    """The next backup of the same content also completes the old backup again."""
    settings = dataclasses.replace(settings, location=repository.location)
    words = ("backup", "--host", "lab", str(papers))
    repository.run(*words, "--tag", "backup:20260310T020000Z,release:r1")
    maintenance = backup_maintain.Maintenance(settings, repository)
    assert maintenance.check(read_all=True) == []
    pack = damage(repository)
    assert maintenance.check(read_all=True) == [pack]
    maintenance.memory.save(damaged=[pack])

    healing = backup_prepare.Preparation(settings, repository, False, never)
    healing.heal()
    assert healing.healed == [pack]
    repository.run(*words, "--force", "--tag", "backup:20260311T020000Z,release:r1")
    assert maintenance.check(read_all=True) == []
    old = repository.backups()[0]
    repository.restore(old.snapshot, paths.base / "back")
    restored = {path.name: path.read_bytes() for path in (paths.base / "back").rglob("*.txt")}
    assert restored == {path.name: path.read_bytes() for path in papers.iterdir()}


def test_what_cannot_be_repaired_is_reported_as_lost(
    repository: Repository, settings: Settings, paths: BackupPaths, papers: Path
) -> None:
    """The content is no longer on the host: the backup that lacks it is named."""
    del paths
    settings = dataclasses.replace(settings, location=repository.location)
    repository.run("backup", "--host", "lab", str(papers), "--tag", "backup:20260310T020000Z,release:r1")
    maintenance = backup_maintain.Maintenance(settings, repository)
    maintenance.memory.save(damaged=[damage(repository)])
    backup_prepare.Preparation(settings, repository, False, never).heal()
    for path in papers.iterdir():
        path.write_text("something else")
    repository.run(
        "backup", "--force", "--host", "lab", str(papers), "--tag", "backup:20260311T020000Z,release:r1"
    )
    assert maintenance.check(read_all=True) != []
    assert maintenance.lost() == ["20260310T020000Z"]
