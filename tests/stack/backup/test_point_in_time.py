"""A backup is of one point in time, however busy the Library is, and holds only the index in use."""

from __future__ import annotations

import json
import threading

from tests.stack import papers
from tests.stack.backup.vault import WORK, Vault, back_up, begun
from tests.stack.endpoint import ApiClient
from tests.stack.plays import play
from tests.stack.soak import fault, long

pytestmark = long("takes minutes")
MANY = 40
PAUSE_SECONDS = 0.7
BACK = "/opt/ragdock/back-of-a-test"
READY = """
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT sha256 FROM documents WHERE state = 'ready'")
print(json.dumps([one for (one,) in rows]))
"""


def ready_in_the_newest(vault: Vault) -> set[str]:
    """Return the SHA-256 of each document that is ready in the ledger of the newest backup."""
    vault.restic("restore", "latest", "--target", BACK, "--include", f"{WORK}/ledger.sqlite3")
    try:
        return set(json.loads(vault.host.run("python3", "-c", READY, f"{BACK}{WORK}/ledger.sqlite3")))
    finally:
        vault.host.run("rm", "-r", BACK)


@fault
def test_documents_deleted_one_after_the_other_all_through_a_backup(
    vault: Vault, api: ApiClient, bin_of_documents: list[str]
) -> None:
    """The backup succeeds, and every document that is ready in its ledger is in its files and its index."""
    bin_of_documents += [
        api.brought(f"leaving-{number}.md", papers.good("md", papers.word())) for number in range(MANY)
    ]
    for one in bin_of_documents:
        api.ready(one)
    ended = threading.Event()
    deleted: list[str] = []

    def delete() -> None:
        """Delete one document after the other while the backup's work directory exists."""
        for one in bin_of_documents:
            while vault.host.shell(f"ls -d {WORK} 2>/dev/null || :") == "":
                if ended.wait(PAUSE_SECONDS):
                    return
            api.delete(one)
            deleted.append(one)
            ended.wait(PAUSE_SECONDS)

    run = begun()
    people = threading.Thread(target=delete)
    people.start()
    outcome = run.end()
    through = len(deleted) < MANY
    ended.set()
    people.join()
    outcome.good()
    assert len(deleted) > 3
    assert through, "the backup outlived the deletions: bring more documents"
    manifest = vault.manifest()
    files = {one["sha256"] for one in manifest["files"] if "/data/raw/" in one["path"]}
    assert ready_in_the_newest(vault) - files == set()
    entry = next(iter(manifest["indices"].values()))
    assert entry["documents"] == vault.record()["figures"]["documents"]
    assert vault.record()["figures"]["attempts"] <= 2
    assert vault.host.shell("ls -d /opt/ragdock/backup/documents 2>/dev/null || :") == ""


def test_a_backup_leaves_out_the_index_that_a_restore_replaced(
    vault: Vault, api: ApiClient, bin_of_documents: list[str]
) -> None:
    """It stays on the host so that the restore can be undone, but serves nobody and needs no backup."""
    bin_of_documents.append(api.brought("served.md", papers.good("md", papers.word())))
    api.ready(bin_of_documents[-1])
    back_up().good()
    play("playbooks/restore.yml", "-e", "scope=index").good()
    standing = vault.ask("/quest-research*/_alias")
    serving = [name for name, one in standing.items() if one["aliases"]]
    assert len(serving) < len(standing), "the restore kept no former index"
    back_up().good()
    manifest = vault.manifest()
    assert sorted(manifest["indices"]) == sorted(serving)
    (snapshot,) = vault.ask(f"/_snapshot/ragdock/{manifest['snapshot']}")["snapshots"]
    assert sorted(snapshot["indices"]) == sorted(serving)
    assert {one["index"] for one in manifest["golden"]} == set(serving)
    play("playbooks/drill.yml").good()
