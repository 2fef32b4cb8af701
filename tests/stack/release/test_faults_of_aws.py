"""A new deployment is provisioned under faults of AWS, switched on in the sandbox as an operator would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.stack.endpoint import CHECKOUT
from tests.stack.plays import beside, play

NAME = "faulty"
FRESH = beside(NAME, 80)
PROVISION = "playbooks/provision.yml"

pytestmark = pytest.mark.release


@contextmanager
def fault(name: str, *words: str) -> Iterator[None]:
    """One fault of the sandbox's AWS, for as long as this lasts."""
    command = [sys.executable, "-m", "sandbox", "fault", name]
    subprocess.run([*command, "on", *words], cwd=CHECKOUT, capture_output=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*command, "off"], cwd=CHECKOUT, capture_output=True, check=True)


@pytest.fixture(scope="module", autouse=True)
def _removed() -> Iterator[None]:
    """Nothing of the deployment stays."""
    yield
    play("playbooks/destroy.yml", *FRESH, "-e", f"confirm={NAME}", "-e", "keep_backups=false").good()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quota-used-up", ("no room for this deployment", "request-service-quota-increase")),
        ("free-plan", ("free plan", "ragdock_instance_type")),
    ],
)
def test_an_account_that_would_refuse_is_refused_before_anything_is_made(
    name: str, words: tuple[str, ...]
) -> None:
    with fault(name):
        play(PROVISION, *FRESH).refused(*words, "Nothing was changed")


def test_a_host_that_ends_is_reported_and_the_next_run_completes_under_every_delay() -> None:
    """The first run makes all but the host, so the second has little left."""
    with fault("launch-fails"), fault("zone-without-type"):
        play(PROVISION, *FRESH).refused("is terminated and not running", "Client.VolumeLimitExceeded")
    with ExitStack() as stack:
        for name in ("names-busy", "profile-delay", "zone-without-type", "stale-reads"):
            stack.enter_context(fault(name))
        play(PROVISION, *FRESH).good()


def test_a_run_that_changes_nothing_is_repeated_through_throttling() -> None:
    with fault("throttling", "--number", "4"):
        assert play(PROVISION, *FRESH).good().changed == 0
