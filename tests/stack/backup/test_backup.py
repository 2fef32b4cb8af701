"""A backup holds what the stack holds, stores only what changed, and shows no secret."""

from __future__ import annotations

import json

from tests.stack import papers
from tests.stack.backup.vault import PLAYBOOK, STANDS, WORK, Vault, aws, back_up
from tests.stack.endpoint import ApiClient
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.test_secrets import named_in, secrets_of

FILL = "/opt/ragdock/fill-of-a-test"


def test_a_backup_holds_what_the_stack_holds(
    vault: Vault, api: ApiClient, bin_of_documents: list[str]
) -> None:
    """Documents, their passages, the ledger and the release; only a complete backup counts."""
    keyword = papers.word()
    bin_of_documents.append(api.brought("kept.md", papers.good("md", keyword)))
    ready = api.ready(bin_of_documents[0])
    before = vault.ids()
    back_up().good()
    added = [one for one in vault.ids() if one not in before]
    assert len(added) == 1
    manifest = vault.manifest()
    assert manifest["id"] == added[0]
    assert all(one["alias"] for one in manifest["indices"].values()), "an index that serves nobody"
    found = vault.ask("/quest-research/_search?size=0&track_total_hits=true")
    assert sum(one["documents"] for one in manifest["indices"].values()) == found["hits"]["total"]["value"]
    paths = {one["path"]: one for one in manifest["files"]}
    assert any(one["sha256"] == ready["sha256"] for path, one in paths.items() if "/data/raw/" in path)
    expected = ("ledger.sqlite3", "release/release.json", "release/compose.yaml", "secrets.json")
    assert [name for name in expected if f"{WORK}/{name}" not in paths] == []
    assert any(one["hits"] for one in manifest["golden"])
    assert vault.node_snapshots()[manifest["snapshot"]] == "SUCCESS"
    record = vault.record()
    assert record["ok"] is True
    assert record["figures"]["id"] == added[0]


def test_a_backup_made_while_documents_come_in_is_of_one_point_in_time(
    vault: Vault, api: ApiClient, bin_of_documents: list[str]
) -> None:
    """The worker is paused for a short time at most, and continues with the document it was reading."""
    bin_of_documents.append(api.brought("coming.pdf", papers.long()))
    api.until(bin_of_documents[0], lambda one: one["state"] == "processing", 120)
    back_up().good()
    figures = vault.record()["figures"]
    assert figures["held_seconds"] < 30
    assert vault.host.run("docker", "ps", "--quiet", "--filter", "status=paused") == ""
    entry = next(iter(vault.manifest()["indices"].values()))
    assert entry["documents"] == figures["documents"]
    api.ready(bin_of_documents[0], seconds=900)


def test_a_second_backup_costs_what_changed(vault: Vault) -> None:
    """Nothing changed since the first: no passage is read again, and next to nothing is stored."""
    back_up().good()
    back_up().good()
    figures = vault.record()["figures"]
    assert figures["documents_read"] == 0
    assert figures["bytes_added"] < max(200_000, figures["bytes"] // 20)


def test_check_mode_reports_and_does_nothing(vault: Vault) -> None:
    """Check mode makes no backup and leaves the record unchanged."""
    before, record = vault.ids(), vault.record()
    play(PLAYBOOK, "--check", "--diff").good()
    assert vault.ids() == before
    assert vault.record() == record


def test_no_secret_is_in_what_a_backup_leaves(vault: Vault) -> None:
    """Neither in the backup, which others may restore, nor in state files, memory.json or the journal."""
    secrets = secrets_of(vault.host)
    for name in ("restic_password", "opensearch_backup_password", "opensearch_worker_password"):
        secrets[name] = vault.secret(name)
    script = "cat $(find /opt/ragdock/backup /opt/ragdock/state -type f -not -path '*/cache/*')"
    assert named_in(vault.host.shell(script), secrets) == []
    assert named_in(vault.host.shell("journalctl --no-pager --output=cat --lines 20000"), secrets) == []
    manifest = vault.manifest()
    assert named_in(json.dumps(manifest), secrets) == []
    for one in manifest["files"]:
        if one["path"].startswith(f"{WORK}/release/"):
            assert named_in(vault.restic("dump", "--no-lock", "latest", one["path"]), secrets) == []


def test_a_full_disk_is_refused_before_anything_is_begun(vault: Vault, host: Host) -> None:
    """OpenSearch must never run out of room because of a backup."""
    before = vault.node_snapshots()
    free = int(host.run("df", "--output=avail", "-B1", "/opt/ragdock").split()[-1])
    host.run("fallocate", "-l", str(free - (1500 << 20)), FILL)
    try:
        back_up().refused("MiB of the data volume is free", "ragdock_data_volume_gib", STANDS)
        assert vault.node_snapshots() == before
    finally:
        host.run("rm", FILL)


def test_a_wrong_password_is_reported_and_harms_nothing(vault: Vault) -> None:
    """Above all, no second repository is created over the first."""
    ssm, name = aws("ssm"), f"/ragdock/{vault.name}/restic_password"
    right, before = vault.secret("restic_password"), vault.ids()
    ssm.put_parameter(Name=name, Value="another", Type="SecureString", Overwrite=True)
    try:
        back_up().refused("restic_password", "get-parameter-history", STANDS)
    finally:
        ssm.put_parameter(Name=name, Value=right, Type="SecureString", Overwrite=True)
    assert vault.ids() == before
