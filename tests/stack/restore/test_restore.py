"""What was lost comes back equal: counts, hashes and search hits."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from tests.stack import papers
from tests.stack.endpoint import CHECKOUT, ApiClient
from tests.stack.plays import Run
from tests.stack.restore.rescue import ROOT, Scene, damaged, drill, restore, restoring
from tests.stack.soak import fault, long

slow = long("takes minutes")


def settled(scene: Scene, seconds: float = 120) -> None:
    """Wait until the worker is idle; it also removes deleted files, and those of a killed smoke test."""
    end = time.monotonic() + seconds
    while (
        any(one.endswith(("queued", "processing")) for one in scene.documents().values()) or scene.leaving()
    ):
        assert time.monotonic() < end, (scene.documents(), scene.files())
        time.sleep(1)


@pytest.fixture(autouse=True)
def begins_settled(scene: Scene) -> None:
    """Wait until the files of an earlier restore's smoke test are gone: only lasting state is compared."""
    settled(scene)


def test_a_lost_index_and_lost_files_come_back_equal(scene: Scene, api: ApiClient) -> None:
    """The index is deleted, and so are all files of documents; the pages keep answering."""
    before = scene.state()
    for index in scene.indices():
        scene.as_worker("DELETE", f"/{index}")
    scene.host.shell(f"rm -rf {ROOT}/data/raw/uploads")
    outage: list[str] = []
    over = threading.Event()

    def reader() -> None:
        while not over.wait(0.3):
            reply = api.http.get("/api/health")
            if reply.status_code != 200:
                outage.append(reply.text)

    watcher = threading.Thread(target=reader)
    watcher.start()
    try:
        outcome = restore().good()
    finally:
        over.set()
        watcher.join()
    assert "Nothing differs" in outcome.output, outcome.tail()
    assert scene.state() == before
    assert scene.nothing_left() == []
    assert outage == []
    assert scene.record("restore")["ok"] is True


def test_a_drill_proves_the_newest_backup_and_leaves_nothing(scene: Scene) -> None:
    """A drill removes what a killed one left, verifies the backup and reports the time to restore."""
    before = scene.state()
    left = scene.host.run(
        "docker", "network", "create", "--internal", "--label", "ragdock.throwaway=drill", "ragdock-drill"
    ).strip()
    scene.host.shell(f"mkdir -p {ROOT}/drill/staged")
    assert scene.nothing_left() == [f"{ROOT}/drill", left[:12]]
    outcome = drill().good()
    assert "Removed first, left over from an interrupted drill" in outcome.output, outcome.tail()
    figures = scene.record("drill")["figures"]
    assert figures["backup"] == scene.vault.ids()[-1]
    # Use the backup's own name of the index, since a restore gives it another one. An index that was replaced
    # by a restore stays for a while, but has no alias and answers no questions.
    (backed_up,) = [one for one in scene.vault.manifest()["indices"].values() if one["alias"]]
    assert figures["chunks"] == backed_up["documents"]
    assert figures["golden"] > 0
    assert 0 < figures["rto_seconds"] < outcome.seconds
    assert scene.nothing_left() == []
    assert scene.state() == before
    listed = restore("-e", "list=true").good()
    assert f"{figures['backup']} " in listed.output
    assert "drill of" in listed.output, listed.tail()


@slow
@pytest.mark.parametrize("name", ["by name", "by path"])
def test_one_file_comes_back_and_is_read_again(scene: Scene, api: ApiClient, name: str) -> None:
    """A document deleted by mistake answers again, and nothing else is touched."""
    before = scene.state()
    keyword = scene.keywords[0]
    identity = next(key for key, one in scene.documents().items() if keyword in one)
    path = next(path for path in before["files"] if keyword in path)
    api.delete(identity)
    scene.host.wait("the file is gone", lambda: path not in scene.files(), 60)
    newer = api.brought("newer.md", papers.good("md", papers.word()))
    api.ready(newer)
    expected = f"{keyword}.md" if name == "by name" else f"{ROOT}/data/raw/{path.removeprefix('./')}"
    restore("-e", f"file={expected}").good()
    api.ready(identity)
    api.delete(newer)
    scene.host.wait("the newer one is gone", lambda: scene.state() == before, 90)


@slow
def test_a_document_of_today_goes_aside_and_is_not_lost(scene: Scene, api: ApiClient) -> None:
    """The whole backup comes back; what is newer is kept in a folder that the report names."""
    before = scene.state()
    keyword = papers.word()
    api.ready(api.brought("today.md", papers.good("md", keyword)))
    outcome = restore().good()
    assert scene.state() == before
    kept = scene.host.shell(f"grep -rl {keyword} {ROOT}/restore/before-*/data/raw").split()
    assert len(kept) == 1
    assert kept[0].split("/data/")[0] in outcome.output


@slow
def test_the_index_alone_comes_back(scene: Scene, api: ApiClient) -> None:
    """Documents that the backup's index lacks are read again; those deleted since stay deleted."""
    keyword = papers.word()
    newer = api.brought("today.md", papers.good("md", keyword))
    api.ready(newer)
    before = scene.state()
    restore("-e", "scope=index").good()
    settled(scene)
    assert scene.state() == before
    assert api.search(keyword)[0]["document"] == "today.md"
    api.delete(newer)


@fault
@slow
def test_a_corrupt_backup_changes_nothing_and_the_drill_finds_it(scene: Scene) -> None:
    """One pack of the repository is damaged: the restore is rolled back, and the drill fails."""
    before = scene.state()
    listed = scene.vault.manifest()["files"]
    largest = str(max(listed, key=lambda one: int(one["size"]))["path"])
    with damaged(scene.vault, largest):
        restore().refused("was not restored", "The earlier state is back and passed its smoke test")
        drill().refused("The drill of", "failed", "The live stack was not touched")
    assert scene.record("drill")["ok"] is False
    assert scene.record("restore")["ok"] is False
    assert scene.state() == before
    assert scene.nothing_left() == []
    drill().good()


@fault
@slow
def test_opensearch_killed_in_mid_restore_changes_nothing(scene: Scene) -> None:
    """The node dies while it restores; it starts again, and the earlier state comes back."""
    before, indices = scene.state(), scene.indices()
    run = restoring()
    scene.host.wait(
        "the backup is fetched", lambda: f"{ROOT}/snapshots/restored" in scene.nothing_left(), 240
    )
    scene.host.crash("opensearch")
    outcome = run.end()
    if outcome.code:
        outcome.refused("was not restored", "The earlier state is back")
        assert scene.indices() == indices
    scene.host.wait("OpenSearch is well", lambda: scene.host.healthy("opensearch"))
    assert scene.state() == before
    assert scene.nothing_left() == []


@fault
@slow
@pytest.mark.parametrize("seconds", [2, 6, 10, 14])
def test_a_killed_restore_is_settled_by_the_next(scene: Scene, seconds: int) -> None:
    """Killed on the host and on the operator's machine: the state is the old or the new one, never a mix."""
    before = scene.state()
    run = restoring()
    run.until(lambda line: "Prepare the restored state" in line)
    time.sleep(seconds)
    scene.kill("BECOME-SUCCESS|^/usr/bin/python3$|restic")
    run.send(signal.SIGKILL)
    run.end()
    outcome = restore("-e", "recover=true", "-e", "break_lock=true").good()
    assert scene.nothing_left() == [], outcome.tail()
    settled(scene)
    assert scene.state() == before
    assert scene.host.inspect("rag-worker")[0]["State"]["Running"]


@fault
@slow
def test_a_killed_drill_leaves_nothing_after_the_next(scene: Scene) -> None:
    """Killed while its isolated OpenSearch runs: the next drill removes the container."""
    run = Run(CHECKOUT, "playbooks/drill.yml")
    name = ["docker", "ps", "--quiet", "--filter", "label=ragdock.throwaway"]
    scene.host.wait("the throwaway node runs", lambda: bool(scene.host.run(*name).split()), 240)
    (network,) = json.loads(scene.host.run("docker", "network", "inspect", "ragdock-drill"))
    assert network["Internal"] is True
    assert [one["Name"] for one in network["Containers"].values()] == ["ragdock-drill"]
    (node,) = json.loads(scene.host.run("docker", "inspect", "ragdock-drill"))
    assert list(node["NetworkSettings"]["Networks"]) == ["ragdock-drill"]
    assert not any(node["NetworkSettings"]["Ports"].values()), "it publishes a port"
    run.send(signal.SIGKILL)
    scene.kill("BECOME-SUCCESS|^/usr/bin/python3$")
    run.end()
    assert scene.nothing_left() != []
    drill().good()
    assert scene.nothing_left() == []


@fault
@slow
def test_a_reboot_in_mid_restore_is_settled(scene: Scene) -> None:
    """The host reboots while files and ledger are switched; the next run brings back one consistent state."""
    before = scene.state()
    run = restoring()
    run.until(lambda line: "Switch to the restored state" in line)
    # As in a power cut, all processes of the host end, and it boots again.
    scene.reboot()
    run.end()
    scene.host.wait("the stack is back", lambda: scene.host.healthy("opensearch"), 300)
    restore("-e", "recover=true", "-e", "break_lock=true").good()
    settled(scene)
    assert scene.state() == before
    assert scene.nothing_left() == []


def test_what_cannot_be_restored_is_refused_by_name(scene: Scene) -> None:
    """A wrong id lists the valid ones."""
    refused = restore("-e", "backup=20000101T000000Z")
    refused.refused(
        "20000101T000000Z", "is not in the repository", scene.vault.ids()[-1], "Nothing was changed"
    )
