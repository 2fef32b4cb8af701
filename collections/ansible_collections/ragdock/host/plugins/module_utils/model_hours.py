"""The hours in which the model host runs: 'Mon-Fri 07:00-19:00 Europe/Berlin'."""

from __future__ import annotations

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
HOURS = re.compile(
    rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))? {TIME}-{TIME} ([A-Za-z][A-Za-z0-9_+/-]{{1,40}})"
)


class Hours(NamedTuple):
    """Two expressions of EventBridge Scheduler, their time zone, and the hours of a week."""

    start: str
    stop: str
    timezone: str
    weekly: float


def parse(text: str) -> Hours:
    """Parse the hours. Raises ValueError for invalid text."""
    found = HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form 'Mon-Fri 07:00-19:00 Europe/Berlin'")
    first, last, *times, zone = found.groups()
    last = last or first
    begin_hour, begin_minute, end_hour, end_minute = (int(one) for one in times)
    minutes = (end_hour * 60 + end_minute) - (begin_hour * 60 + begin_minute)
    if minutes <= 0:
        raise ValueError(f"{text!r} ends before it begins")
    try:
        ZoneInfo(zone)
    except (LookupError, OSError, ValueError) as error:
        raise ValueError(f"{zone!r} is no time zone") from error
    begin = DAYS.index(first)
    number = (DAYS.index(last) - begin) % 7 + 1
    # List each day by name: AWS's week starts on Sunday, and a range across its end is invalid.
    days = ",".join(DAYS[(begin + at) % 7].upper() for at in range(number))
    return Hours(
        f"cron({begin_minute} {begin_hour} ? * {days} *)",
        f"cron({end_minute} {end_hour} ? * {days} *)",
        zone,
        number * minutes / 60,
    )
