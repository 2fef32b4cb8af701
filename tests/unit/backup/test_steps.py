"""What each step decides: what is read, kept, refused for lack of space, changed and reported."""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3
import threading
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.backup import collect
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import Backup
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupError,
    BackupPaths,
    Memory,
    Settings,
    advice,
    what_stands,
)
from ansible_collections.ragdock.host.plugins.module_utils.restic import ResticError
from ansible_collections.ragdock.host.plugins.modules import backup_maintain
from tests.unit.backup.conftest import PARTS

DAY = 86400.0
NOW = 1_800_000_000.0


# --- reading the whole repository ----------------------------------------------------------------


def test_everything_is_read_once_in_a_round_of_nights() -> None:
    """One part each night from the first night on, and none is left out."""
    read: dict[str, float] = {}
    seen: list[int] = []
    for night in range(2 * PARTS):
        read = backup_maintain.complete(read, PARTS, NOW + night * DAY)
        due = backup_maintain.due_parts(read, PARTS, NOW + night * DAY)
        assert len(due) == 1
        seen += due
        read |= {str(part): NOW + night * DAY for part in due}
    assert sorted(seen) == sorted(2 * list(range(1, PARTS + 1)))


@pytest.mark.parametrize("missed", [3, 10, 40])
def test_missed_nights_are_made_up_for(missed: int) -> None:
    """After weeks without power, a host has still read everything within a month of running."""
    read = {str(part): NOW - part * DAY for part in range(1, PARTS + 1)}
    due = backup_maintain.due_parts(read, PARTS, NOW + missed * DAY)
    overdue = [part for part in range(1, PARTS + 1) if part + missed >= PARTS]
    assert due == sorted(overdue)


def test_a_part_read_in_the_future_is_due() -> None:
    """The clock was wrong when the part was read."""
    read = {str(part): NOW - DAY for part in range(1, PARTS + 1)} | {"5": NOW + 3650 * DAY}
    read = backup_maintain.complete(read, PARTS, NOW)
    assert backup_maintain.due_parts(read, PARTS, NOW) == [5]


# --- what is kept --------------------------------------------------------------------------------


def test_the_policy_spares_what_is_new_or_verified_and_counts_no_future_one(settings: Settings) -> None:
    """The clock may have been wrong when the other backups were made."""
    now = dt.datetime(2026, 3, 10, tzinfo=dt.UTC)
    future = Backup("20360101T000000Z", "f" * 64, now.replace(year=2036), "", (), (), 0)
    words = backup_maintain.forget_words(settings, ["20260310T000000Z", "20260308T000000Z"], [future], now)
    kept = [(word, value) for word, value in itertools.pairwise(words) if word.startswith("--keep-")]
    assert kept == [
        ("--keep-daily", "8"),
        ("--keep-weekly", "6"),
        ("--keep-monthly", "13"),
        ("--keep-tag", "backup:20260310T000000Z"),
        ("--keep-tag", "backup:20260308T000000Z"),
    ]


# --- free space ----------------------------------------------------------------------------------


def test_a_backup_that_does_not_fit_is_refused_with_numbers(paths: BackupPaths) -> None:
    """The message says what was found, what is needed and what to do; one more byte would be enough."""
    room = collect.enough_room
    assert room(paths, 10 << 20, 2048, lambda _: 2058 << 20) == ""
    message = room(paths, 10 << 20, 2048, lambda _: (2058 << 20) - 1)
    assert "2057 MiB" in message
    assert "10 MiB" in message
    assert "ragdock_data_volume_gib" in message


def test_room_is_asked_for_what_is_new(paths: BackupPaths) -> None:
    """The data volume takes the copies of the node; the repository takes them and the new documents."""
    (paths.raw / "paper.txt").write_bytes(b"x" * 1000)
    assert collect.room_needed(paths, 500) == (500, 1500)
    Memory(paths, "files").save(**{str(paths.raw / "paper.txt"): []})
    assert collect.room_needed(paths, 500) == (500, 500)


def test_a_repository_on_another_disk_is_asked_for_room_of_its_own(tmp_path: Path) -> None:
    """The disk that holds the repository, whether it exists already or will be created."""
    assert collect.folder_of("s3:https://s3.eu-central-1.amazonaws.com/bucket/backup") is None
    assert collect.folder_of("sftp:user@host:/srv/backups") is None
    location = tmp_path / "repository"
    assert collect.folder_of(str(location / "not" / "mounted")) is None
    assert collect.folder_of(str(location)) == tmp_path
    location.mkdir()
    assert collect.folder_of(str(location)) == location

    enough, own = collect.enough_there, collect.OWN_MIB
    assert enough(location, 10 << 20, lambda _: (10 + own) << 20) == ""
    message = enough(location, 10 << 20, lambda _: ((10 + own) << 20) - 1)
    for words in (str(location), f"Only {9 + own} MiB", "store 10 MiB", "ragdock_backup_keep_"):
        assert words in message


# --- copies --------------------------------------------------------------------------------------


def test_a_database_in_use_is_copied_whole(paths: BackupPaths, tmp_path: Path) -> None:
    """Each transaction is either completely in the copy or not at all."""
    source, target = paths.ledger / "ledger.sqlite3", tmp_path / "copy.sqlite3"
    with sqlite3.connect(source) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE pairs (left INTEGER, right INTEGER)")
    db.close()
    done = threading.Event()

    def write() -> None:
        writer = sqlite3.connect(source, timeout=30)
        number = 0
        while not done.is_set():
            number += 1
            writer.execute("INSERT INTO pairs VALUES (?, 0)", (number,))
            writer.execute("UPDATE pairs SET right = left")
            writer.commit()
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(10):
            ledger.copy(source, target)
            copy = sqlite3.connect(target)
            assert copy.execute("SELECT count(*) FROM pairs WHERE left != right").fetchone() == (0,)
            copy.close()
    finally:
        done.set()
        thread.join()


def test_two_backups_do_not_work_at_once(paths: BackupPaths) -> None:
    """The second is refused at once and shows how to find the first."""
    with paths.alone(), pytest.raises(BackupError, match="fuser"), paths.alone():
        pass
    with paths.alone():
        pass


# --- what is reported ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["password", "bucket", "denied", "space", "stalled", "locked", "absent"])
def test_every_failure_of_the_repository_says_what_to_do(kind: str, settings: Settings) -> None:
    """What failed, where, and the next command or setting."""
    message = advice(ResticError(kind, "restic said so"), settings)
    assert settings.location in message
    assert "restic said so" in message
    assert (
        len(message) > len(f"The backup repository {settings.location} cannot be used: restic said so.") + 40
    )


def test_a_failure_names_the_newest_good_backup(paths: BackupPaths) -> None:
    """The newest complete backup and its age, or that there is none."""
    memory = Memory(paths)
    assert "no whole backup yet" in what_stands(memory)
    memory.save(last={"id": "20260310T020000Z", "time": NOW})
    assert "20260310T020000Z, 5 hours old" in what_stands(Memory(paths), NOW + 5 * 3600)


def test_the_memory_of_an_index_goes_with_the_index(paths: BackupPaths) -> None:
    """A rebuilt index has a new identity; the record of the old one would stay for ever."""
    for identity in ("old", "present"):
        Memory.of_index(paths, identity).save(a=["1", 2, "hash"])
    Memory(paths).save(last={})
    Memory.forget_indices(paths, but=["present"])
    assert Memory.of_index(paths, "present").values == {"a": ["1", 2, "hash"]}
    assert sorted(path.name for path in paths.base.glob("*.json")) == ["index-present.json", "memory.json"]


def test_an_unreadable_memory_is_rebuilt(paths: BackupPaths) -> None:
    """A file cut off by a power failure must not stop later nights."""
    Memory(paths).save(damaged=["x"])
    (paths.base / "memory.json").write_text('{"damaged": [')
    assert Memory(paths).values == {}


# --- links planted by a compromised container ----------------------------------------------------


@pytest.fixture
def planted(tmp_path: Path) -> tuple[BackupPaths, Path]:
    """The directories of a host, and a file that only root may read."""
    paths = BackupPaths(tmp_path)
    for path in (paths.ledger, paths.analytics, paths.work):
        path.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text("of another service")
    return paths, secret


def test_a_link_among_the_click_logs_is_refused_and_nothing_of_it_is_read(
    planted: tuple[BackupPaths, Path],
) -> None:
    paths, secret = planted
    (paths.analytics / "a.csv").write_text("fine")
    (paths.analytics / "b.csv").symlink_to(secret)
    with pytest.raises(BackupError, match=r"b\.csv is a symbolic link to"):
        collect.copy_analytics(paths)
    copies = [one.read_text() for one in (paths.work / "analytics").iterdir()]
    assert copies == ["fine"]


def test_a_link_in_place_of_a_database_is_refused(planted: tuple[BackupPaths, Path]) -> None:
    paths, secret = planted
    (paths.ledger / "ledger.sqlite3").symlink_to(secret)
    with pytest.raises(BackupError, match="is a symbolic link"):
        collect.copy_databases(paths)


def test_a_link_in_place_of_a_lock_makes_no_file_elsewhere(planted: tuple[BackupPaths, Path]) -> None:
    paths, secret = planted
    elsewhere = secret.with_name("made-by-root")
    (paths.analytics / ".clicks.lock").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        collect.copy_analytics(paths)
    assert not elsewhere.exists()
