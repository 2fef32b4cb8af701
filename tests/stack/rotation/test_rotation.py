"""Secrets are rotated while people work: nobody is refused who has the value that the store names."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx
import pytest

from tests.stack.door import CHECKOUT, Door, value
from tests.stack.plays import Run, play
from tests.stack.soak import SOAKING

PLAYBOOK = "playbooks/rotate.yml"
EVERY = "-e", "secrets=all"
PER_SECOND = 2.0
# How often the store is asked; between promotion and the old one's end a release starts, which takes longer.
READ_SECONDS = 2.0
# Task during which the run is killed: after each phase.
PHASES = {
    "begun": "at hand as they are now",
    "accepted": "OpenSearch's users have their new passwords",
    "switched": "The new values are the deployment's",
    "promoted": "OpenSearch's users have the passwords that the store names",
}
# One of them in a default run, the one with the most beside it; `make soak` tries all.
KILLED = list(PHASES) if SOAKING else ["switched"]


class Programs:
    """Two requests a second by a program that reads its token from the store now and then."""

    def __init__(self, door: Door) -> None:
        # Anew: the session's door may know the token of before an earlier rotation.
        self._door = dataclasses.replace(door, token=value("token"))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._work)]
        self.good = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._stop.wait(READ_SECONDS):
            self._door = dataclasses.replace(self._door, token=value("token"))

    def _work(self) -> None:
        # /api/documents looks into the ledger, /api/status into OpenSearch as the app's user.
        asked = 0
        while not self._stop.wait(1 / PER_SECOND):
            asked += 1
            try:
                with self._door.client(seconds=60) as http:
                    reply = http.get("/api/documents") if asked % 2 else http.get("/api/status")
                if reply.status_code == HTTPStatus.OK:
                    self.good += 1
                else:
                    self.failed.append(f"{time.strftime('%X')} {reply.status_code} {reply.text[:150]}")
            except httpx.HTTPError as error:
                self.failed.append(f"{time.strftime('%X')} {type(error).__name__} {error}")


def taken(door: Door, token: str) -> int:
    """The answer to a token."""
    with door.client(token=token, seconds=30) as http:
        return http.get("/api/documents").status_code


def test_all_secrets_are_rotated_and_no_request_fails(door: Door) -> None:
    """During it both values are taken; after it the old one is not."""
    old = value("token")
    with Programs(door) as programs:
        outcome = play(PLAYBOOK, *EVERY).good()
    new = value("token")
    assert programs.failed == []
    assert programs.good > PER_SECOND
    assert new != old
    assert (taken(door, old), taken(door, new)) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK)
    assert old not in outcome.output
    assert new not in outcome.output
    again = play(PLAYBOOK).good()
    assert again.changed == 0
    assert value("token") == new


@pytest.mark.parametrize("phase", KILLED)
def test_a_rotation_that_was_killed_is_completed_by_the_next_run(door: Door, phase: str) -> None:
    """Wherever it stopped: nobody is refused meanwhile, and the next run needs no name."""
    old = value("token")
    with Programs(door) as programs:
        run = Run(CHECKOUT, PLAYBOOK, *EVERY)
        run.until(lambda line: line.startswith("TASK [") and PHASES[phase] in line)
        run.send(signal.SIGKILL)
        run.end()
        play(PLAYBOOK).good()
    assert programs.failed == []
    assert (taken(door, old), taken(door, value("token"))) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK)
    assert play(PLAYBOOK).good().changed == 0


def test_a_check_tells_names_and_changes_nothing() -> None:
    """A name that is none is answered with those that are."""
    old = value("token")
    told = play(PLAYBOOK, "--check", "--diff", "-e", "secrets=api_token").good()
    assert "api_token: a new value" in told.output
    assert value("token") == old
    play(PLAYBOOK, "-e", "secrets=api_tokne").refused("api_tokne", "api_token", "or all")
    play(PLAYBOOK, "-e", "secrets=edge_ca").refused("cannot be rotated yet")
