"""A run that is stopped half-way, and two runs at once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import settings
from sandbox.cloud import AwsApi as Aws
from tests.stack import papers
from tests.stack.endpoint import CHECKOUT, ApiClient, value
from tests.stack.host import Host
from tests.stack.plays import LONGEST, Run, beside, copy_of_checkout, edit, play
from tests.stack.soak import fault

pytestmark = fault
APP = "services/rag-app/src/rag_app/__init__.py"

# Stage -> one of its tasks or plays; the run is stopped as soon as it begins.
STAGES = {
    "preflight": "TASK [preflight",
    "provision": "TASK [aws_state",
    "configure": "PLAY [Configure",
    "build": "Build and push images",
    "push": "Build and push images",
    "pull": "Stage the release",
    "start": "Start the release",
    "smoke test": "Run the smoke test",
    "switch": "Switch to the release",
    "verify": "PLAY [Verify",
}

FRESH = beside("cut", 77)
ROLES = (
    "aws_network",
    "aws_storage",
    "aws_identity",
    "aws_registry",
    "aws_secrets",
    "aws_host",
    "aws_observability",
)
FREED_SECONDS = 10.0
PUSHING = settings.load().operator / "logs" / "build-rag-app.log"


def begins(marker: str) -> Callable[[str], bool]:
    """Return a test for output lines: does this line begin the task (or play) of this name?"""

    def looks(line: str) -> bool:
        return line.startswith(("TASK [", "PLAY [")) and marker in line

    return looks


def pushes() -> None:
    """Wait until the new image is being pushed to the registry."""
    until = time.monotonic() + LONGEST
    while not PUSHING.exists() or b"$ docker push" not in PUSHING.read_bytes():
        assert time.monotonic() < until, "nothing was pushed"
        time.sleep(0.05)


def lock_of(name: str) -> str:
    """Return the holder of a deployment's lock, or an empty string."""
    ssm: Any = Aws(settings.load()).ssm
    try:
        return str(ssm.get_parameter(Name=f"/ragdock/{name}/lock")["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return ""


def freed(name: str) -> None:
    """Assert that a run's lock is free a moment after the run has ended, however it ended."""
    until = time.monotonic() + FREED_SECONDS
    while holder := lock_of(name):
        assert time.monotonic() < until, f"{holder} holds the lock of a run that has ended"
        time.sleep(0.2)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the checkout with a changed rag-app."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
    return copy


def test_two_runs_at_once_the_second_is_refused_by_name(api: ApiClient, changed: Path) -> None:
    """The message names the first run's process, machine and verb; the first run is not disturbed."""
    first = Run(changed, "playbooks/deploy.yml")
    first.until(begins(STAGES["build"]))
    second = play("playbooks/deploy.yml")
    second.refused("deploy", str(first.process.pid), os.uname().nodename)
    first.end().good()
    assert api.status()["release"]


def test_runs_interrupted_in_each_stage_are_completed_by_the_next(
    api: ApiClient, host: Host, changed: Path, soak: int
) -> None:
    """Stopped in one stage after the other, alternately with Ctrl-C and with a kill.

    Each run continues what the previous one left half done, and gets further; the old release keeps serving.
    """
    before = host.current()
    for turn, (stage, marker) in enumerate(STAGES.items()):
        number = (signal.SIGINT, signal.SIGKILL)[(turn + soak) % 2]
        if stage == "push":
            # A killed run may have left a build running that has already pushed the image.
            edit(changed, APP, lambda text: f"{text}\n# {papers.word()}\n")
            PUSHING.unlink(missing_ok=True)
        run = Run(changed, "site.yml")
        run.until(begins(marker))
        if stage == "push":
            pushes()
        run.send(number)
        stopped = run.end()
        assert stopped.code != 0, f"{stage}: {stopped.tail()}"
        freed(value("name"))
        assert api.http.get("/api/health").is_success, stage
        assert api.http.get("/").is_success, stage
        # During verify the new release already serves; the switch is one rename, done or not done.
        assert stage == "switch" or (host.current() == before) == (stage != "verify"), stage
    outcome = play("site.yml", checkout=changed).good()
    assert "Traceback" not in outcome.output
    assert host.current() != before
    assert len(host.ids("rag-app")) == 1
    assert "NOT PASSED" not in outcome.output


@pytest.fixture
def fresh() -> Iterator[tuple[str, ...]]:
    """Arguments of a separate deployment, which is destroyed afterwards."""
    yield FRESH
    play("playbooks/destroy.yml", *FRESH, "-e", "confirm=cut", "-e", "keep_backups=false").good()


def test_a_deployment_being_made_is_completed_wherever_it_was_interrupted(
    fresh: tuple[str, ...], soak: int
) -> None:
    """Ctrl-C in each role of provision, at a random moment; nothing half made stops the next run."""
    del soak
    for role in ROLES:
        run = Run(CHECKOUT, "playbooks/provision.yml", *fresh)
        run.until(begins(f"TASK [{role}"))
        time.sleep(random.SystemRandom().uniform(0.0, 1.5))
        run.send(signal.SIGINT)
        stopped = run.end()
        assert stopped.code != 0, f"{role}: {stopped.tail()}"
        freed("cut")
    play("playbooks/provision.yml", *fresh).good()
    assert play("playbooks/provision.yml", *fresh).good().changed == 0
