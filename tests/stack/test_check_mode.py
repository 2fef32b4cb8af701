"""`--check --diff` works on every playbook: it tells, changes nothing, and shows no secret."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.stack.backup.vault import back_up
from tests.stack.door import CHECKOUT, value
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.test_secrets import named_in, secrets_of

# In which nothing would change on a deployment that stands.
QUIET = {"site", "provision", "configure", "deploy", "verify", "status", "plan", "drift", "renew", "undelete"}
PLAYBOOKS = ("site.yml", *sorted(f"playbooks/{path.name}" for path in CHECKOUT.glob("playbooks/*.yml")))


@pytest.fixture(scope="module")
def secrets(host: Host) -> dict[str, str]:
    """What no output may show. A backup is there, as on any deployment older than a night."""
    back_up().good()
    return secrets_of(host)


def kept(host: Host) -> str:
    """What an act would change: Ragdock's files but for live data, the release that serves, containers."""
    found = "find /opt/ragdock /etc/ragdock /etc/cron.d -xdev -type f -printf '%p %s %T@\\n'"
    passing = "grep -v -e ^/opt/ragdock/data/ -e /backup/cache/ -e /.ansible"
    return host.shell(f"{found} | {passing} | sort; readlink /opt/ragdock/current; docker ps -aq | sort")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_check_mode_tells_and_changes_nothing(host: Host, secrets: dict[str, str], playbook: str) -> None:
    """On the host, the same containers run on, and every file of Ragdock is as it was."""
    name = playbook.rpartition("/")[2].removesuffix(".yml")
    words = {
        "rotate": ["-e", "secrets=all"],
        "destroy": ["-e", f"confirm={value('name')}"],
        "undelete": ["-e", f"moment={dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}"],
    }
    before = kept(host), host.started()
    outcome = play(playbook, "--check", "--diff", *words.get(name, []))
    if name == "rollback" and len(host.shell("ls -d /opt/ragdock/releases/2*").split()) < 2:
        outcome.refused("no release before the current one")
    else:
        outcome.good()
    assert name not in QUIET or outcome.changed == 0, outcome.tail()
    assert (kept(host), host.started()) == before
    assert not named_in(outcome.output, secrets), named_in(outcome.output, secrets)
