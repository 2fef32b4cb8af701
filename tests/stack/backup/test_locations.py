"""Backups outside the bucket: to a path on another disk, or to an SFTP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.backup.vault import Vault, back_up
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.soak import long

pytestmark = long("makes repositories of its own")

HERE = "/home/admin/ragdock-test-backups"
KEY = "/root/.ssh/ragdock-test"
PLACES = {"a path": HERE, "sftp": f"sftp:ragdock-test:{HERE}"}
# As docs/operate/backups.md requires: a key that root's ssh uses, and a known host key. The host acts as the
# SFTP server: the name in root's ssh configuration leads back to the host itself.
PREPARE = f"""
install -d -o admin -g admin -m 0700 {HERE}
ssh-keygen -q -t ed25519 -N '' -C ragdock-test -f {KEY}
cat {KEY}.pub >> /home/admin/.ssh/authorized_keys
ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null > {KEY}.known
cat >> /root/.ssh/config <<'END'
Host ragdock-test
  HostName 127.0.0.1
  User admin
  IdentityFile {KEY}
  UserKnownHostsFile {KEY}.known
  StrictHostKeyChecking yes
END
"""
TIDY = f"""
rm -rf {HERE} {KEY} {KEY}.pub {KEY}.known /root/.ssh/config
sed -i '/ragdock-test$/d' /home/admin/.ssh/authorized_keys
"""


@pytest.fixture(params=list(PLACES))
def place(host: Host, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where this test's backups go; afterwards it is removed, and backups go to the bucket again."""
    assert host.shell("ls /root/.ssh/config 2>/dev/null || :") == "", "root's ssh has settings of its own"
    try:
        host.shell(PREPARE)
        yield PLACES[request.param]
    finally:
        host.shell(TIDY)
        back_up().good()


def test_a_backup_is_made_listed_drilled_and_restored_there(place: str, vault: Vault, host: Host) -> None:
    """The same playbooks, with one more setting; a second backup stores next to nothing."""
    elsewhere, usual = ("-e", f"ragdock_backup_repository={place}"), vault.ids()
    back_up(*elsewhere).good()
    first = vault.record()["figures"]
    back_up(*elsewhere).good()
    second = vault.record()["figures"]
    assert second["bytes_added"] < first["bytes_added"]
    assert host.shell(f"ls {HERE}").split()[0] == "config"
    assert host.run("stat", "--format=%U", f"{HERE}/config").strip() == (
        "admin" if "sftp" in place else "root"
    )

    outcome = play("playbooks/restore.yml", *elsewhere, "-e", "list=true").good()
    for name in (first["id"], second["id"]):
        assert name in outcome.output, outcome.tail()
    assert usual[-1] not in outcome.output, outcome.tail()
    play("playbooks/drill.yml", *elsewhere).good()
    outcome = play("playbooks/restore.yml", *elsewhere, "-e", "scope=index").good()
    assert "Nothing differs" in outcome.output, outcome.tail()
