"""Backups in a real repository: found, chosen, read and restored; failures are classified by their remedy."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import restic
from ansible_collections.ragdock.host.plugins.module_utils.backup import catalog, documents, upload
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import Backup
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupPaths, Settings
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository, ResticError
from ansible_collections.ragdock.host.plugins.modules import backup_prepare
from tests.local_aws import client, local_aws

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
LONG_AFTER = dt.datetime(2036, 1, 1, tzinfo=dt.UTC)


def made(when: dt.datetime, release: str = "20260301T000000-aaaaaaaa") -> Backup:
    """A backup made at that time."""
    name = f"{when:%Y%m%dT%H%M%SZ}"
    return Backup(name, f"{name[:8]}abcdef", when, release, (), (), 0)


def bytes_done(message: dict[str, Any]) -> float:
    """The bytes that a backup has processed so far."""
    return float(message.get("bytes_done", 0))


def keep(repository: Repository, path: Path, backup_id: str) -> None:
    """Make a backup."""
    repository.run("backup", "--host", "test", "--tag", f"backup:{backup_id},release:r1", str(path))


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """Two files to back up."""
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "one.txt").write_text("first\n")
    (folder / "two.txt").write_text("second\n")
    return folder


def test_a_backup_is_found_read_and_restored(repository: Repository, papers: Path, tmp_path: Path) -> None:
    """A restore returns what was backed up, and the backup has its id and release."""
    keep(repository, papers, "20260310T020000Z")
    repository.run("backup", "--tag", "somebody-else", str(papers))
    (found,) = repository.backups()
    assert (found.id, found.release) == ("20260310T020000Z", "r1")
    assert repository.files(found.snapshot) == {
        str(papers / "one.txt"): 6,
        str(papers / "two.txt"): 7,
    }
    assert repository.read(found.snapshot, str(papers / "two.txt")) == "second\n"
    repository.restore(found.snapshot, tmp_path / "back", [str(papers / "one.txt")])
    restored = [path for path in (tmp_path / "back").rglob("*") if path.is_file()]
    assert [path.read_text() for path in restored] == ["first\n"]


def test_an_upload_counts_only_when_it_was_compared(
    repository: Repository, papers: Path, settings: Settings, paths: BackupPaths
) -> None:
    """A run that dies between the two leaves nothing that counts as a backup, and the next run removes it."""
    keep(repository, papers, "20260310T020000Z")  # Made before uploads had a mark, so it counts.
    for folder in (paths.work, paths.snapshots):
        folder.mkdir()
    (paths.raw / "paper.txt").write_text("a document")
    documents.hold(paths)
    killed, _ = upload.upload(repository, settings, "20260311T020000Z", "r1", full=False)
    assert [one.id for one in repository.backups()] == ["20260310T020000Z"]

    looking = backup_prepare.Preparation(settings, repository, True, None)
    looking.open(begin_anew=False)
    assert len(looking.cleared) == 1
    assert killed in {one.snapshot for one in repository.uploads()}, "check mode removed it"
    following = backup_prepare.Preparation(settings, repository, False, None)
    following.open(begin_anew=False)
    assert "20260311T020000Z was never compared" in following.cleared[0]
    assert [one.id for one in repository.uploads()] == ["20260310T020000Z"]

    arrived, _ = upload.upload(repository, settings, "20260312T020000Z", "r1", full=False)
    sent = repository.files(arrived)
    assert sent
    counted = repository.count(arrived, "20260312T020000Z")
    newest = repository.backups()[-1]
    assert (newest.id, newest.snapshot, newest.release) == ("20260312T020000Z", counted, "r1")
    assert newest.size > 0
    assert repository.files(counted) == sent
    assert len(repository.uploads()) == 2


def test_the_password_is_in_no_argument_and_no_environment(repository: Repository) -> None:
    """Every user of a host can read what `ps` shows."""
    seen: list[bytes] = []
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if b"restic" in (line := (process / "cmdline").read_bytes()):
                        seen.append(line + (process / "environ").read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    repository.run("check")
    looking.set()
    thread.join()
    assert any(b"check" in one for one in seen)
    assert not any(repository.password.encode() in one for one in seen)


def test_an_operators_keys_do_not_reach_restic(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """restic must use the host's role: a backup with an operator's keys would fail at night."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody's")
    assert "AWS_ACCESS_KEY_ID" not in repository.environment(3)


def test_a_wrong_password_is_distinguished_from_a_missing_repository(
    repository: Repository, tmp_path: Path
) -> None:
    """They need different remedies, and creating a second repository would be the worst."""
    assert repository.exists()
    assert not dataclasses.replace(repository, location=str(tmp_path / "nowhere")).exists()
    with pytest.raises(ResticError) as error:
        dataclasses.replace(repository, password="another").exists()
    assert error.value.kind == "password"


def test_a_stalled_restic_is_ended(repository: Repository, tmp_path: Path) -> None:
    """A connection that died in mid-upload must not block the night's jobs for hours."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    hurried = dataclasses.replace(repository, stall_seconds=2.0)
    began = time.monotonic()
    with pytest.raises(ResticError) as error:
        # Reads a pipe into which no one writes.
        hurried.watched("backup", "--stdin-from-command", "cat", str(pipe), done_so_far=bytes_done)
    assert error.value.kind == "stalled"
    assert time.monotonic() - began < 30


def test_the_lock_of_a_killed_restic_is_removed(repository: Repository, papers: Path) -> None:
    """A restic that was killed once must not block every later night."""
    keep(repository, papers, "20260310T020000Z")

    def locks() -> list[str]:
        # A lock that is still being written has another name.
        return [path.name for path in Path(repository.location, "locks").iterdir() if len(path.name) == 64]

    with repository._started(["backup", "--stdin-from-command", "sleep", "60"]) as process:
        end = time.monotonic() + 50
        while not locks():
            assert time.monotonic() < end
            time.sleep(0.1)
        process.kill()
        process.wait()
    assert locks()
    repository.unlock()
    assert not locks()
    keep(repository, papers, "20260311T020000Z")


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (10, "", "absent"),
        (12, "", "password"),
        (1, "Fatal: unable to open config file: Stat: The specified bucket does not exist", "bucket"),
        (1, "Fatal: unable to open repository: Access Denied.", "denied"),
        (1, "write /x: no space left on device", "space"),
        (1, "dial tcp 10.0.0.9:443: connect: connection refused", "unreachable"),
        (1, "something new", "failed"),
    ],
)
def test_failures_are_distinguished(code: int, text: str, kind: str) -> None:
    """The message to the operator depends on it."""
    assert restic.kind_of(code, text) == kind


@pytest.mark.parametrize(
    ("expected", "index"),
    [
        ("latest", 1),
        ("20260308T020000Z", 0),
        ("20260308T235900Z", None),  # an id that does not exist: the time in it is not used
        ("2026-03-08T23:00:00", 0),
        ("2026-03-09T02:00:00Z", 1),
        ("20360101T000000Z", 2),
        ("20360101", 2),
        ("2020-01-01", None),
        ("nonsense", None),
    ],
)
def test_a_backup_is_chosen_by_id_or_time_and_never_from_the_future(expected: str, index: int | None) -> None:
    """A clock that was wrong once must not make one old backup the newest for ten years."""
    backups = [
        made(dt.datetime(2026, 3, 8, 2, tzinfo=dt.UTC)),
        made(dt.datetime(2026, 3, 9, 2, tzinfo=dt.UTC)),
        made(LONG_AFTER),
    ]
    chosen = catalog.choose(backups, expected, NOW)
    assert chosen == (None if index is None else backups[index])


def test_a_backup_is_verified_by_its_last_drill() -> None:
    """Earlier drills of a backup do not count; the backup that was verified last comes last."""
    drills = [
        {"ok": ok, "ended": f"2026-03-{day:02d}T03:00:00Z", "figures": {"backup": name} if name else {}}
        for day, name, ok in (
            (1, "a", True), (2, "b", True), (3, "", False), (4, "a", True), (5, "c", False), (6, "b", False)
        )
    ]  # fmt: skip
    assert catalog.last_drills(drills) == {"a": "2026-03-04T03:00:00Z"}
    assert list(catalog.last_drills(drills[:4])) == ["b", "a"]


def test_a_bucket_is_named_as_restic_wants_it() -> None:
    """By region on AWS, by address elsewhere."""
    assert restic.location("b", "backup", "eu-west-1", "") == "s3:https://s3.eu-west-1.amazonaws.com/b/backup"
    assert restic.location("b", "backup", "eu-west-1", "http://x:5000/") == "s3:http://x:5000/b/backup"


def test_a_missing_bucket_is_distinguished_from_an_empty_one() -> None:
    """Only S3's own error counts: an address where nothing answers does not mean that it is missing."""
    with local_aws() as at:
        client("s3", at).create_bucket(Bucket="kept")
        gone = {
            name: restic.bucket_is_gone(restic.location(name, "backup", "us-east-1", at))
            for name in ("kept", "lost")
        }
    assert gone == {"kept": False, "lost": True}
    assert not restic.bucket_is_gone(f"s3:{at}/kept/backup")
    assert not restic.bucket_is_gone("/srv/backups")
