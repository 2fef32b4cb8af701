"""When a job is due, was missed or is overdue, and how status shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import schedule

# A Wednesday.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=365)


def iso(moment: datetime) -> str:
    """A time as the state files write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def times(text: str) -> Any:
    """The times of a setting that is not empty."""
    found = schedule.parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("17 2 * * *", datetime(2026, 11, 25, 2, 17), datetime(2026, 11, 26, 2, 17)),
        ("30 23 * * *", datetime(2026, 11, 24, 23, 30), datetime(2026, 11, 25, 23, 30)),
        ("0 12 * * *", datetime(2026, 11, 25, 12, 0), datetime(2026, 11, 26, 12, 0)),
        ("41 3 * * 0", datetime(2026, 11, 22, 3, 41), datetime(2026, 11, 29, 3, 41)),
        ("41 3 * * 7", datetime(2026, 11, 22, 3, 41), datetime(2026, 11, 29, 3, 41)),
        ("11 4 * * 2,5", datetime(2026, 11, 24, 4, 11), datetime(2026, 11, 27, 4, 11)),
        ("27 * * * *", datetime(2026, 11, 25, 11, 27), datetime(2026, 11, 25, 12, 27)),
        ("0 * * * *", datetime(2026, 11, 25, 12, 0), datetime(2026, 11, 25, 13, 0)),
    ],
)
def test_the_times_of_a_crontab(text: str, before: datetime, after: datetime) -> None:
    """The catch-up after boot must calculate the same times as cron."""
    assert times(text).before(NOON) == before.replace(tzinfo=UTC)
    assert times(text).after(NOON) == after.replace(tzinfo=UTC)


def test_an_empty_text_switches_the_job_off() -> None:
    """A job has no other switch than its schedule."""
    assert schedule.parse("") is None


@pytest.mark.parametrize("text", ["0 0 1 * *", "0 0 * 1 *"])
def test_days_of_the_month_are_refused(text: str) -> None:
    """Preflight refuses them; so does the reader, in case a file was edited by hand."""
    with pytest.raises(ValueError, match="must be"):
        schedule.parse(text)


@pytest.mark.parametrize(
    ("began", "since", "missed"),
    [
        (None, LONG_AGO, True),
        (datetime(2026, 11, 24, 2, 17, tzinfo=UTC), LONG_AGO, True),
        (datetime(2026, 11, 25, 2, 17, 1, tzinfo=UTC), LONG_AGO, False),
        # Run by hand, later than it was due: no second run.
        (datetime(2026, 11, 25, 9, 0, tzinfo=UTC), LONG_AGO, False),
        # The schedule was written after the time: nothing was missed.
        (None, datetime(2026, 11, 25, 8, 0, tzinfo=UTC), False),
    ],
)
def test_what_was_due_while_the_host_was_down(began: datetime | None, since: datetime, missed: bool) -> None:
    """A night without power must not cost a backup."""
    state = {"started": iso(began)} if began else {}
    assert schedule.missed(times("17 2 * * *"), state, since, NOON) is missed


@pytest.mark.parametrize(
    ("text", "hours", "overdue"),
    [
        ("27 * * * *", 2, False),
        ("27 * * * *", 4, True),
        ("17 2 * * *", 25, False),
        ("17 2 * * *", 27, True),
        ("41 3 * * 0", 169, False),
        ("41 3 * * 0", 171, True),
        # Tuesday and Friday: four days between them.
        ("11 4 * * 2,5", 97, False),
        ("11 4 * * 2,5", 99, True),
    ],
)
def test_a_success_older_than_the_schedule_allows(text: str, hours: float, overdue: bool) -> None:
    """Two hours of grace: a job may take longer than it did last time."""
    state = {"last_success": iso(NOON - timedelta(hours=hours))}
    assert schedule.overdue(times(text), state, LONG_AGO, NOON) is overdue


def test_a_time_still_to_come_silences_nothing() -> None:
    """The clock was years ahead when a job ran and was then corrected: the job is due again."""
    ahead = {"started": iso(NOON + timedelta(days=3650)), "last_success": iso(NOON + timedelta(days=3650))}
    assert schedule.missed(times("17 2 * * *"), ahead, LONG_AGO, NOON)
    assert schedule.overdue(times("17 2 * * *"), ahead, LONG_AGO, NOON)
    slack = {"started": iso(NOON + timedelta(seconds=20)), "last_success": iso(NOON + timedelta(seconds=20))}
    assert not schedule.missed(times("17 2 * * *"), slack, LONG_AGO, NOON)
