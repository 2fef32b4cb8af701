"""The read-only playbooks: checks pass, status is readable, check mode changes nothing."""

from __future__ import annotations

import pytest

from tests.stack.broken import FAULTS, failed, verified
from tests.stack.host import Host
from tests.stack.plays import play


def test_every_check_passes() -> None:
    """The table and the verdict that verify.yml prints."""
    outcome = play("playbooks/verify.yml").good()
    assert outcome.changed == 0
    assert "NOT PASSED" not in outcome.output
    assert "instance metadata cannot be reached" in outcome.output


@pytest.mark.parametrize("what", FAULTS)
def test_a_check_that_must_fail_fails(what: str) -> None:
    """A check that cannot fail verifies nothing."""
    assert FAULTS[what].fails <= failed(verified())


def test_nothing_else_fails_than_what_is_broken() -> None:
    assert failed(verified()) == set().union(*(fault.fails for fault in FAULTS.values()))


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
