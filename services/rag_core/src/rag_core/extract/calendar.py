"""Invitations and calendars (iCalendar): what, when, where, who."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from icalendar import Calendar, Component

from rag_core.extract.blocks import BlockKind, Item, Note, Part, blocks

_KINDS = {"VEVENT", "VTODO", "VJOURNAL"}
_LINES = {
    "SUMMARY": "Summary",
    "DTSTART": "Starts",
    "DTEND": "Ends",
    "DUE": "Due",
    "LOCATION": "Where",
    "ORGANIZER": "Organizer",
    "ATTENDEE": "Attendees",
    "DESCRIPTION": "Description",
    "COMMENT": "Comment",
}


def read(text: str, page: int) -> Iterator[Item]:
    """Yield each event as lines of text; a calendar that violates the format is reported as unread."""
    try:
        found = [part for one in Calendar.from_ical(text, multiple=True) for part in one.walk()]
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        message = "a calendar in the message is damaged and was not read"
        yield Note(Part.ATTACHMENT, read=False, message=message)
        return
    for event in found:
        if event.name in _KINDS:
            lines = [f"{name}: {content}" for key, name in _LINES.items() if (content := _value(event, key))]
            yield from blocks(BlockKind.TEXT, "\n".join(lines), page)


def _value(event: Component, key: str) -> str:
    value = event.get(key)
    if value is None:
        return ""
    return ", ".join(filter(None, map(_shown, value if isinstance(value, list) else [value])))


def _shown(value: object) -> str:
    moment = getattr(value, "dt", value)
    if isinstance(moment, datetime):
        zone = f" {moment.tzname()}" if moment.tzname() else ""
        return f"{moment.day} {moment:%b %Y %H:%M}{zone}"
    if isinstance(moment, date):
        return f"{moment.day} {moment:%b %Y}"
    named = getattr(value, "params", {}).get("CN", "")
    address = str(value).removeprefix("mailto:").removeprefix("MAILTO:")
    return f"{named} <{address}>" if named else address
