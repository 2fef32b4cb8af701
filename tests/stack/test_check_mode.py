"""`--check --diff` works on every playbook: it reports, changes nothing, and shows no secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.stack.backup.vault import back_up
from tests.stack.endpoint import CHECKOUT, value
from tests.stack.host import Host
from tests.stack.plays import Outcome, play
from tests.stack.test_secrets import named_in, secrets_of

# Playbooks that have nothing to change on an existing deployment.
QUIET = {"site", "provision", "configure", "deploy", "verify", "status", "plan", "drift", "renew", "undelete"}
PLAYBOOKS = ("site.yml", *sorted(f"playbooks/{path.name}" for path in CHECKOUT.glob("playbooks/*.yml")))
AT_ONCE = 3
"""They read, and a run that only reads does not wait for another one."""


@dataclass(frozen=True)
class Checked:
    """The outcome of every playbook in check mode, and the host's state before and after all of them."""

    secrets: dict[str, str]
    before: tuple[object, ...]
    outcomes: Mapping[str, Outcome]
    after: tuple[object, ...]


def state_of(host: Host) -> tuple[object, ...]:
    """Return what a real run could change: Ragdock's files except live data, the release, the containers."""
    found = "find /opt/ragdock /etc/ragdock /etc/cron.d -xdev -type f -printf '%p %s %T@\\n'"
    passing = "grep -v -e ^/opt/ragdock/data/ -e /backup/cache/ -e /.ansible"
    kept = host.shell(f"{found} | {passing} | sort; readlink /opt/ragdock/current; docker ps -aq | sort")
    return kept, host.started()


def words_for(playbook: str) -> list[str]:
    """Return the arguments that a playbook requires."""
    return {
        "playbooks/rotate.yml": ["-e", "secrets=all"],
        "playbooks/destroy.yml": ["-e", f"confirm={value('name')}"],
        "playbooks/undelete.yml": ["-e", f"moment={dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S}"],
    }.get(playbook, [])


@pytest.fixture(scope="module")
def checked(host: Host) -> Checked:
    """Run every playbook in check mode, after a backup: any deployment older than a night has one."""
    back_up().good()
    secrets, before = secrets_of(host), state_of(host)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = pool.map(lambda one: play(one, "--check", "--diff", *words_for(one)), PLAYBOOKS)
        return Checked(secrets, before, dict(zip(PLAYBOOKS, outcomes, strict=True)), state_of(host))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_check_mode_reports_and_shows_no_secret(host: Host, checked: Checked, playbook: str) -> None:
    outcome = checked.outcomes[playbook]
    name = playbook.rpartition("/")[2].removesuffix(".yml")
    if name == "rollback" and len(host.shell("ls -d /opt/ragdock/releases/2*").split()) < 2:
        outcome.refused("no release before the current one")
    else:
        outcome.good()
    assert name not in QUIET or outcome.changed == 0, outcome.tail()
    assert not named_in(outcome.output, checked.secrets), named_in(outcome.output, checked.secrets)


def test_check_mode_changes_nothing(checked: Checked) -> None:
    """On the host, the same containers keep running and every file of Ragdock is unchanged."""
    assert checked.after == checked.before
