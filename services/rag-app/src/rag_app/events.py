"""What the page may send to Gradio: every value of every event is checked before Gradio reads it.

Each handler of the page is a public endpoint: any signed-in user can call it with any values. Gradio itself
opens paths and URLs inside the values it receives. So a value must be text, a number or a list of texts, as
its input expects, and the event that is passed on is rebuilt from the checked values.
"""

# ruff: noqa: N818 - errors are named for what happened

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeGuard

import gradio as gr

from rag_app.errors import AppError

MOST_BYTES = 512 * 1024
"""A rating contains the whole answer, with the passages that support it."""
_LONGEST_TEXT = 64 * 1024
_LONGEST_CHOICE = 200
_LONGEST_DAY = 64
_MOST_CHOSEN = 1000
_READ = frozenset(
    {"action", "document", "exchange", "first", "index", "last", "liked", "passage", "tags", "talk", "value"}
)
"""The parts of an event that handlers read; Gradio would treat others ("path") as a file."""
_SESSION = re.compile(r"[A-Za-z0-9-]{1,64}")
_EVENT = re.compile(r"[0-9a-f]{32}")

Check = Callable[[object], object]
Bind = Callable[[str], str]


class EventRefused(AppError):
    """The page does not send such a body."""

    code = "bad_event"
    http_status = 400


def refuse(what: str) -> NoReturn:
    """Raise EventRefused with what is wrong with the event."""
    raise EventRefused(f"This is not what the page sends: {what}. Load the page again; programs use /api/.")


@dataclass(frozen=True)
class Function:
    """One handler of the page that a request can call."""

    name: str
    queued: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Events:
    """All handlers of a page."""

    functions: Mapping[int, Function]
    triggers: frozenset[int]

    @classmethod
    def of(cls, blocks: gr.Blocks) -> Self:
        """Read the handlers from the page; raises TypeError if an input of one cannot be checked."""
        functions = {
            number: Function(
                name=str(function.name),
                queued=bool(function.queue),
                checks=tuple(_check(component) for component in function.inputs),
            )
            for number, function in blocks.fns.items()
            # The others run only in the browser.
            if function.fn is not None
        }
        targets = {target for function in blocks.fns.values() for target, _ in function.targets}
        return cls(functions, frozenset(target for target in targets if target is not None))

    def event(self, body: bytes, bind: Bind, *, queued: bool) -> bytes:
        """Check and rebuild the body for `queue/join` (`queued`) or `run/predict`."""
        given = _object(body)
        number = given.get("fn_index")
        function = self.functions.get(number) if _is_number(number) else None
        if function is None or function.queued != queued:
            refuse("there is no such event here")
        trigger = given.get("trigger_id")
        if trigger is not None and not (_is_number(trigger) and trigger in self.triggers):
            refuse("nothing on the page triggers this")
        data = given.get("data")
        if not isinstance(data, list) or len(data) != len(function.checks):
            refuse(f"the event takes {len(function.checks)} values")
        return _written(
            data=[check(value) for check, value in zip(function.checks, data, strict=True)],
            event_data=_details(given.get("event_data")),
            fn_index=number,
            trigger_id=trigger,
            session_hash=bind(session_of(given.get("session_hash"))),
        )

    def cancel(self, body: bytes, bind: Bind) -> bytes:
        """Check and rebuild the body for `cancel`, limited to the caller's own session."""
        given = _object(body)
        number = given.get("fn_index")
        if not _is_number(number) or number not in self.functions:
            refuse("there is no such event here")
        return _written(
            event_id=_event(given), fn_index=number, session_hash=bind(session_of(given.get("session_hash")))
        )

    def reset(self, body: bytes, _bind: Bind) -> bytes:
        """Check and rebuild the body for `reset`, which Gradio accepts but ignores."""
        return _written(event_id=_event(_object(body)))


def session_of(value: object) -> str:
    """The session name that a loaded page chose; raises EventRefused if it is not valid."""
    if not isinstance(value, str) or not _SESSION.fullmatch(value):
        refuse("session_hash names no loaded page")
    return value


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BYTES:
        refuse(f"the body is larger than {MOST_BYTES // 1024} KiB")
    try:
        given = json.loads(body.decode(), parse_constant=lambda name: refuse(f"{name} is no number"))
    except (ValueError, RecursionError):
        refuse("the body is no JSON that can be read")
    if not isinstance(given, dict):
        refuse("the body is no object")
    return given


def _written(**fields: object) -> bytes:
    try:
        return json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # An unpaired surrogate: no file, store or model accepts it.
        refuse("a text has characters that cannot be written")


def _event(given: Mapping[str, Any]) -> str:
    value = given.get("event_id")
    if not isinstance(value, str) or not _EVENT.fullmatch(value):
        refuse("event_id names no event")
    return value


def _details(value: object) -> object:
    """The browser's data about the event, kept flat so that Gradio treats nothing in it as a file."""
    if not isinstance(value, dict):
        return _part(value)
    checked = {name: _part(part) for name, part in value.items()}
    return {name: part for name, part in checked.items() if name in _READ}


def _part(value: object) -> object:
    if isinstance(value, list):
        if len(value) > _MOST_CHOSEN or not all(_is_plain(one) for one in value):
            refuse("event_data may have lists of plain values only")
        return value
    if not _is_plain(value):
        refuse("event_data may have plain values only")
    return value


def _check(component: object) -> Check:
    """The check for the values of an input, by its type."""
    match component:
        case gr.State():
            # Kept on the server; the browser's copy is ignored.
            return lambda _value: None
        case gr.Textbox():
            return lambda value: _text("a text", value or "", _LONGEST_TEXT)
        case gr.DateTime():
            return lambda value: None if value is None else _text("a day", value, _LONGEST_DAY)
        case gr.Slider():
            return lambda value: _within(value, component.minimum, component.maximum)
        case gr.Dropdown():
            offered = frozenset(value for _, value in component.choices)
            if component.multiselect:
                return lambda value: _several(value, offered)
            return lambda value: _one(component.value if value is None else value, offered)
    raise TypeError(
        f"an event of the page takes a {type(component).__name__}: rag_app.events does not know how to check"
        " its values, and Gradio may open paths and addresses in them"
    )


def _text(kind: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        refuse(f"{kind} is expected")
    if len(value) > longest:
        refuse(f"{kind} is longer than {longest} characters")
    return value


def _within(value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("a number is expected")
    return min(max(value, least), most)


def _one(value: object, offered: frozenset[object]) -> str:
    """One of the choices that the page offers; if it offers none, the handler validates the value."""
    chosen = _text("a choice", value, _LONGEST_CHOICE)
    if offered and chosen not in offered:
        refuse(f"{chosen!r} is none of the choices")
    return chosen


def _several(value: object, offered: frozenset[object]) -> list[str]:
    chosen = [] if value is None else value
    if not isinstance(chosen, list) or len(chosen) > _MOST_CHOSEN:
        refuse(f"a list of at most {_MOST_CHOSEN} choices is expected")
    return [_one(one, offered) for one in chosen]


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
