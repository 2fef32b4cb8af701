"""apt-get on the host waits for another apt and retries a mirror that does not answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import apt

LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\n"
UNREACHABLE = "E: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease  Connection timed out\n"


class Apt:
    """An apt-get that fails with each of these messages in turn, and then succeeds."""

    def __init__(self, *said: str) -> None:
        self.said = list(said)
        self.calls: list[list[str]] = []
        self.paused = 0

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        """Record one call and return its result."""
        self.calls.append([word for word in argv if "::" not in word and word != "-o"])
        return (100, self.said.pop(0)) if self.said else (0, "")

    def pause(self, _seconds: float) -> None:
        """Count a pause instead of waiting."""
        self.paused += 1


UPDATE = ["apt-get", "--quiet=2", "update", "--error-on=any"]


def test_the_lock_of_the_package_lists_is_waited_for() -> None:
    """DPkg::Lock::Timeout does not cover this lock, so the first boot's own apt would end a run at once."""
    host = Apt(LOCKED, LOCKED, LOCKED, LOCKED, LOCKED)
    apt.update(60, host.run, host.pause)
    assert host.calls == [UPDATE] * 6
    assert host.paused == 5


def test_a_lock_that_is_never_released_is_named_with_its_holder() -> None:
    """It is not reported as an unreachable mirror."""
    host = Apt(*[LOCKED] * 50)
    with pytest.raises(
        apt.AptError, match=r"process 812 \(apt-get\)[\s\S]*Another apt process has been running for 0 s"
    ):
        apt.update(0, host.run, host.pause)
    assert len(host.calls) == 1


def test_a_mirror_that_answers_late_is_asked_again() -> None:
    """A network failure of some seconds must not end a deployment."""
    host = Apt(UNREACHABLE, UNREACHABLE)
    apt.update(60, host.run, host.pause)
    assert host.calls == [UPDATE] * 3


def test_a_mirror_that_stays_away_is_the_message() -> None:
    """With apt's own last lines and what to check."""
    host = Apt(*[UNREACHABLE] * 50)
    with pytest.raises(
        apt.AptError, match=r"Connection timed out\nThe host may have no way to Debian's mirrors"
    ):
        apt.update(60, host.run, host.pause)
    assert len(host.calls) == apt.UPDATES


def test_an_installation_is_tried_once_but_waits_for_the_archives_lock() -> None:
    """Repeating an installation that failed would not help."""
    host = Apt(LOCKED.replace("lib/apt/lists", "cache/apt/archives"))
    apt.apt_get(["install", "--yes", "curl"], 60, host.run, host.pause)
    assert len(host.calls) == 2
    broken = Apt("E: Unable to locate package crul\n")
    with pytest.raises(apt.AptError, match="Unable to locate package crul"):
        apt.apt_get(["install", "--yes", "crul"], 60, broken.run, broken.pause)
    assert len(broken.calls) == 1
