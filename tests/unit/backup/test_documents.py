"""Documents are backed up as of one point in time, despite deletions; changed content is noticed."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.backup import collect, documents, manifests, upload
from ansible_collections.ragdock.host.plugins.module_utils.backup.collect import Files
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import BackupPaths, Settings
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository


@pytest.fixture
def begun(paths: BackupPaths) -> BackupPaths:
    """The paths of a backup that has begun: its directories and its manifest exist."""
    paths.snapshots.mkdir()
    collect.fresh_work(paths)
    (paths.work / "manifest.json").write_text("{}")
    return paths


def bring(paths: BackupPaths, *names: str) -> None:
    """Add documents, each in a directory of its own, as uploads are."""
    for name in names:
        path = paths.raw / "uploads" / name / f"{name}.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"content of {name}")


def moment(paths: BackupPaths) -> Files:
    """Hold the documents at this point in time and collect their manifest entries."""
    documents.hold(paths)
    files = Files(paths)
    files.collect()
    return files


def names(files: Files) -> list[str]:
    """Names of the documents in a manifest."""
    return [Path(one["path"]).stem for one in files.entries if "/data/raw/" in one["path"]]


def test_a_library_from_which_people_delete_is_backed_up_whole(
    begun: BackupPaths, repository: Repository, settings: Settings, tmp_path: Path
) -> None:
    """Documents are deleted throughout the upload: it needs no retry, and no document is missing."""
    expected = [f"{number:03d}" for number in range(60)]
    bring(begun, *expected)
    files = moment(begun)
    folders = {one: (begun.raw / "uploads" / one) for one in expected}
    half = len(expected) // 2

    def delete(some: list[str]) -> None:
        for one in some:
            (folders[one] / f"{one}.txt").unlink()
            folders[one].rmdir()

    delete(expected[:half])
    meanwhile = threading.Thread(target=delete, args=(expected[half:],))
    meanwhile.start()
    arrived, _ = upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    meanwhile.join()
    assert list((begun.raw / "uploads").iterdir()) == []
    upload.compare(repository, arrived, begun, files)
    repository.restore(arrived, tmp_path / "back")
    back = tmp_path / "back" / str(begun.raw).lstrip("/") / "uploads"
    assert {one: (back / one / f"{one}.txt").read_text() for one in expected} == {
        one: f"content of {one}" for one in expected
    }


def test_later_documents_are_not_in_the_backup(
    begun: BackupPaths, repository: Repository, settings: Settings
) -> None:
    """The backup's ledger would not know such a document."""
    bring(begun, "before")
    files = moment(begun)
    bring(begun, "after")
    arrived, _ = upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    upload.compare(repository, arrived, begun, files)
    there = [Path(path).stem for path in repository.files(arrived) if "/data/raw/" in path]
    assert (names(files), there) == (["before"], ["before"])


def test_a_second_backup_reads_no_document_again(
    begun: BackupPaths, repository: Repository, settings: Settings
) -> None:
    """Although each got a second name and lost it: a nightly backup must not reread a million documents."""
    (begun.raw / "large").write_bytes(os.urandom(300_000))
    first = moment(begun)
    upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    collect.fresh_work(begun)
    (begun.work / "manifest.json").write_text("{}")
    second = moment(begun)
    arrived, figures = upload.upload(repository, settings, "20260311T020000Z", "r1", full=False)
    assert (first.read_bytes, second.read_bytes) == (300_002, 2)
    assert first.entries == second.entries
    assert figures["bytes_added"] < 10_000
    summary = next(one for one in repository.uploads() if one.snapshot == arrived)
    assert summary.size > 300_000
    changed = repository.run("diff", repository.uploads()[0].snapshot, arrived).out
    assert "large" not in changed


def test_files_that_change_after_they_were_hashed_are_noticed(begun: BackupPaths) -> None:
    """Even at the same length; a new modification time or a deletion is no change."""
    for name in ("same", "touched", "changed", "gone"):
        (begun.raw / name).write_text(f"{name}-content")
    files = moment(begun)
    assert files.changed() == []
    (begun.raw / "touched").touch()
    (begun.raw / "changed").write_text("CHANGED-content")
    (begun.raw / "gone").unlink()
    assert [Path(path).name for path in files.changed()] == ["changed"]


def test_the_second_pass_links_what_changed_since_the_first(begun: BackupPaths) -> None:
    """Before the point in time, documents were deleted, added and replaced under the same name."""
    bring(begun, "kept", "deleted", "replaced")
    documents.hold(begun)
    shutil.rmtree(begun.raw / "uploads" / "deleted")
    replaced = begun.raw / "uploads" / "replaced" / "replaced.txt"
    (replaced.parent / "beside").write_text("new content")
    (replaced.parent / "beside").replace(replaced)
    bring(begun, "new")
    files = moment(begun)
    assert sorted(names(files)) == ["kept", "new", "replaced"]
    held = {path.stem: path.read_text() for path in begun.held.rglob("*.txt")}
    assert held == {"kept": "content of kept", "new": "content of new", "replaced": "new content"}
    assert sorted(path.name for path in (begun.held / "uploads").iterdir()) == ["kept", "new", "replaced"]


def test_directories_keep_their_owner_and_mode(begun: BackupPaths) -> None:
    """A restore takes them from this backup, and the worker must be able to write there."""
    bring(begun, "one")
    folder = begun.raw / "uploads"
    folder.chmod(0o2770)
    os.chown(folder, 10001, 10002)
    documents.hold(begun)
    found = (begun.held / "uploads").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (10001, 10002, 0o2770)


def test_unfinished_uploads_and_links_are_left_out_and_nothing_stays(begun: BackupPaths) -> None:
    """Clearing the work removes the second names, not the documents."""
    bring(begun, "one")
    (begun.raw / "uploads" / "two.pdf.part").write_text("half")
    (begun.raw / "elsewhere").symlink_to("/etc/passwd")
    documents.hold(begun)
    held = [path.name for path in begun.held.rglob("*") if not path.is_dir()]
    assert held == ["one.txt"]
    collect.clear_work(begun)
    assert not begun.held.exists()
    one = begun.raw / "uploads" / "one" / "one.txt"
    assert (one.read_text(), one.stat().st_nlink) == ("content of one", 1)


def test_a_document_may_have_the_name_of_an_unfinished_upload(
    begun: BackupPaths, repository: Repository, settings: Settings
) -> None:
    """Browsers give such names to what they have not yet loaded, and people upload it nevertheless."""
    odd = ["uploads/1/report.pdf.part", "copied.part", "folder.part/inside.txt", "folder.part/uploads/x.part"]
    for name in odd:
        (begun.raw / name).parent.mkdir(parents=True, exist_ok=True)
        (begun.raw / name).write_text(name)
    files = moment(begun)
    assert {one["path"] for one in files.entries} >= {str(begun.raw / name) for name in odd}
    snapshot, _ = upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    upload.compare(repository, snapshot, begun, files)


def test_a_document_whose_name_is_not_utf_8_is_backed_up_too(
    begun: BackupPaths, repository: Repository, settings: Settings, tmp_path: Path
) -> None:
    """Otherwise one such file would make every backup fail."""
    (begun.raw / os.fsdecode(b"r\xe9sum\xe9 \xe2\x82.txt")).write_text("good")
    files = moment(begun)
    snapshot, _ = upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    upload.compare(repository, snapshot, begun, files)
    repository.restore(snapshot, tmp_path / "back")
    sent = manifests.read(manifests.write({"files": files.entries}))["files"]
    assert manifests.compare_files(sent, tmp_path / "back") == []


def test_only_restic_sees_the_linked_documents(
    begun: BackupPaths, repository: Repository, settings: Settings
) -> None:
    """Everybody else sees the live documents where they are, while restic runs and afterwards."""
    bring(begun, "one")
    moment(begun)
    before = Path("/proc/self/mountinfo").read_text()
    upload.upload(repository, settings, "20260310T020000Z", "r1", full=False)
    bring(begun, "two")
    assert Path("/proc/self/mountinfo").read_text() == before
    assert not (begun.held / "uploads" / "two").exists()
