"""When jobs are due: cron's five fields, limited to what the settings use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Allows for a job that ended a little later than the week before.
GRACE_HOURS = 2.0
# Allows for the small corrections that clocks get all the time.
CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Times:
    """Minute and hour of the day (none: every hour), and the days of the week (0 is Sunday)."""

    minute: int
    hour: int | None
    days: frozenset[int]

    @property
    def step(self) -> timedelta:
        """The shortest time between two runs."""
        return timedelta(hours=1) if self.hour is None else timedelta(days=1)

    def at(self, day: datetime) -> datetime | None:
        """When it is due on that day, or in that hour, if at all."""
        hour = day.hour if self.hour is None else self.hour
        due = day.replace(hour=hour, minute=self.minute, second=0, microsecond=0)
        return due if due.isoweekday() % 7 in self.days else None

    def _times(self, moment: datetime, direction: int) -> Iterator[datetime]:
        """Yield due times from a moment on, in one direction, over eight days, which cover every weekday."""
        for count in range(8 * (timedelta(days=1) // self.step) + 1):
            if due := self.at(moment + direction * count * self.step):
                yield due

    def before(self, moment: datetime) -> datetime:
        """The last time it was due, including that time."""
        return next(due for due in self._times(moment, -1) if due <= moment)

    def after(self, moment: datetime) -> datetime:
        """The next time it is due."""
        return next(due for due in self._times(moment, 1) if due > moment)

    @property
    def most_hours(self) -> float:
        """The longest time between two runs."""
        days = sorted(self.days)
        if self.hour is None and len(days) == 7:
            return 1.0
        gaps = [later - earlier for earlier, later in zip(days, [*days[1:], days[0] + 7], strict=True)]
        return max(gaps) * 24.0


def parse(text: str) -> Times | None:
    """`17 2 * * 0,3`; none for an empty text, which switches the job off."""
    if not text.strip():
        return None
    minute, hour, day, month, week = text.split()
    if (day, month) != ("*", "*"):
        raise ValueError(f"{text!r}: day of month and month must be *")
    days = range(7) if week == "*" else (int(one) % 7 for one in week.split(","))
    return Times(int(minute), None if hour == "*" else int(hour), frozenset(days))


def moment(text: str | None) -> datetime | None:
    """Parse a time from a state file."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if text else None


def past(text: str | None, now: datetime) -> datetime | None:
    """Parse a time from a state file; None if it is in the future because a clock was ahead."""
    written = moment(text)
    return written if written and written <= now + CLOCK_SLACK else None


def missed(times: Times, state: Mapping[str, Any], since: datetime, now: datetime) -> bool:
    """Whether the job was due after SINCE, the schedule's start, without a run since then."""
    due, began = times.before(now), past(state.get("started"), now)
    return due >= since and (began is None or began < due)


def overdue(times: Times, state: Mapping[str, Any], since: datetime, now: datetime) -> bool:
    """Whether the last success is older than the schedule allows."""
    base = past(state.get("last_success"), now) or since
    return (now - base).total_seconds() / 3600 > times.most_hours + GRACE_HOURS
