"""The playbooks that only look: promises are held, status is readable, check mode changes nothing."""

from __future__ import annotations

import pytest

from tests.stack.host import Host
from tests.stack.plays import play


def test_every_promise_is_held() -> None:
    """The table of verify.yml, and its verdict."""
    outcome = play("playbooks/verify.yml").good()
    assert outcome.changed == 0
    assert "NOT HELD" not in outcome.output
    assert "instance metadata cannot be reached" in outcome.output


@pytest.mark.parametrize(
    ("breaking", "mending", "promise"),
    [
        ("chmod 0644 {secret}", "chmod 0400 {secret}", "files are readable by their user alone"),
        (
            "cp {secret} /opt/ragdock/state/left.txt",
            "rm /opt/ragdock/state/left.txt",
            "none in .env, compose, config or state",
        ),
        (
            "systemd-run --unit=ragdock-test-listen --quiet /usr/bin/python3 -m http.server 8099; sleep 2",
            "systemctl stop ragdock-test-listen",
            "listens on SSH, 80 and 443 only",
        ),
    ],
)
def test_a_broken_promise_is_named(host: Host, breaking: str, mending: str, promise: str) -> None:
    """A table that always says 'held' would prove nothing: break one, see it named, mend it."""
    secret = host.shell("find /opt/ragdock/secrets -name api_token -type f | head -1").strip()
    host.shell(breaking.format(secret=secret))
    try:
        outcome = play("playbooks/verify.yml").refused("NOT HELD", promise)
    finally:
        host.shell(mending.format(secret=secret))
    assert outcome.output.count("NOT HELD") == 1, outcome.tail()


def test_status_says_what_runs(host: Host) -> None:
    """Each service, the release, and what to do about a backup that was never made."""
    outcome = play("playbooks/status.yml").good()
    assert outcome.changed == 0
    for expected in (
        "rag-app",
        "opensearch",
        "healthy",
        host.current(),
        "last backup",
        "documents",
        "lost if the host were",
    ):
        assert expected in outcome.output, outcome.tail()
