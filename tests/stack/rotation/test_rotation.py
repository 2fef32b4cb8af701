"""Secrets are rotated during use: no client that has the value in the parameter store is refused."""

from __future__ import annotations

import signal
from http import HTTPStatus

import pytest

from tests.stack.backup.vault import MEMORY, Vault, back_up
from tests.stack.endpoint import CHECKOUT, Endpoint, value
from tests.stack.host import Host
from tests.stack.plays import Run, play
from tests.stack.rotation.node import Node
from tests.stack.rotation.programs import PER_SECOND, PLAYBOOK, Programs, signs_in, taken
from tests.stack.soak import SOAKING

EVERY = "-e", "secrets=all"
# Phase -> the task that follows it, during which the run is killed.
PHASES = {
    "begun": "Read the secrets again",
    "accepted": "Set the new passwords of OpenSearch's users",
    "switched": "Promote the new values",
    "promoted": "Set the promoted passwords of OpenSearch's users",
}
# A default run tries one phase, the one that leaves the most unfinished; `make soak` tries all.
KILLED = list(PHASES) if SOAKING else ["switched"]


def opens(vault: Vault, password: str) -> bool:
    """Return whether a password opens the backup repository."""
    output = vault.restic("cat", "config", "--no-lock", check=False, password=password)
    return '"chunker_polynomial"' in output


def test_all_secrets_are_rotated_and_no_request_fails(endpoint: Endpoint, host: Host) -> None:
    """During the rotation both values are accepted; after it the old one is not."""
    node, vault = Node(host, value("name")), Vault(host, value("name"))
    if not host.run("cat", MEMORY, check=False):
        back_up().good()
    names = ("app_password", "opensearch_app_password", "opensearch_backup_password", "restic_password")
    old = {name: node.secret(name) for name in names} | {"api_token": value("token")}
    ca, since = node.secret("opensearch_ca_cert"), node.since()
    assert signs_in(endpoint, old["app_password"])
    assert opens(vault, old["restic_password"])
    with Programs(endpoint) as programs:
        outcome = play(PLAYBOOK, *EVERY).good()
    new = {name: node.secret(name) for name in names} | {"api_token": value("token")}
    assert programs.failed == []
    assert programs.good > PER_SECOND
    assert [name for name in old if old[name] == new[name]] == []
    assert [name for name in old if old[name] in outcome.output or new[name] in outcome.output] == []
    assert node.since() == since
    for values, token, user, gets_in in (
        (old, HTTPStatus.UNAUTHORIZED, HTTPStatus.UNAUTHORIZED, False),
        (new, HTTPStatus.OK, HTTPStatus.OK, True),
    ):
        assert taken(endpoint, values["api_token"]) == token
        assert signs_in(endpoint, values["app_password"]) is gets_in
        assert node.as_user("ragdock_app", values["opensearch_app_password"]) == user
        assert node.as_user("ragdock_backup", values["opensearch_backup_password"]) == user
        assert opens(vault, values["restic_password"]) is gets_in
    assert node.secret("opensearch_ca_cert") != ca
    again = play(PLAYBOOK).good()
    assert again.changed == 0
    assert value("token") == new["api_token"]


@pytest.mark.parametrize("phase", KILLED)
def test_a_rotation_that_was_killed_is_completed_by_the_next_run(endpoint: Endpoint, phase: str) -> None:
    """Wherever it stopped, no request is refused meanwhile, and the next run completes it without `-e`."""
    old = value("token")
    with Programs(endpoint) as programs:
        run = Run(CHECKOUT, PLAYBOOK, *EVERY)
        run.until(lambda line: line.startswith("TASK [") and PHASES[phase] in line)
        run.send(signal.SIGKILL)
        run.end()
        play(PLAYBOOK).good()
    assert programs.failed == []
    assert (taken(endpoint, old), taken(endpoint, value("token"))) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK)
    assert play(PLAYBOOK).good().changed == 0


def test_a_check_reports_names_and_changes_nothing() -> None:
    """An unknown name is refused with a list of the valid ones."""
    old = value("token")
    outcome = play(PLAYBOOK, "--check", "--diff", "-e", "secrets=api_token").good()
    assert "api_token: a new value" in outcome.output
    assert value("token") == old
    play(PLAYBOOK, "-e", "secrets=api_tokne").refused("api_tokne", "api_token", "or all")
    assert "edge_ca" not in play(PLAYBOOK, "--check", *EVERY).good().output
