"""Checks every setting against the schema (inventory/schema.yml), and reports what to change."""

from __future__ import annotations

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.model_hours import parse

# Optional: tools that only list the filters do not need it, and the host only gets settings already checked.
with suppress(ImportError):
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError
    from jsonschema.validators import extend

# Unicode categories that end a line or are invisible: controls, line and paragraph separators, surrogates.
UNSEEN = {"Cc", "Zl", "Zp", "Cs"}
# Characters that change the writing direction, so that a value is displayed as another one.
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
TYPE_NAMES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "array": "a list",
    "object": "a mapping",
}


def _texts(value: Any) -> Iterator[str]:
    """Yield every string in a value, at any depth, including the keys of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _control(value: Any) -> str:
    """Describe the first control character of a value and its position; empty if there is none."""
    for text in _texts(value):
        for at, one in enumerate(text):
            if unicodedata.category(one) in UNSEEN or one in TURNING:
                return f"a control character (U+{ord(one):04X} at position {at + 1})"
    return ""


def meant(value: Any, kind: str) -> Any:
    """Convert text from -e name=value to the number or boolean that it stands for."""
    if isinstance(value, str) and kind == "integer" and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    if isinstance(value, str) and kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def says(one: Mapping[str, Any]) -> str:
    """Describe the allowed values of a setting, to complete the sentence "it must be"."""
    if "x-says" in one:
        return str(one["x-says"])
    if "enum" in one:
        allowed = ", ".join(one["enum"])
        return f"one of {allowed}" if len(one["enum"]) > 1 else allowed
    if "minimum" in one:
        unit = f" ({one['x-unit']})" if "x-unit" in one else ""
        return f"a whole number from {one['minimum']} to {one['maximum']}{unit}"
    return TYPE_NAMES[one["type"]]


def _network(value: Any) -> ipaddress.IPv4Network | None:
    """Parse a private range that AWS accepts for a network; None for anything else."""
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        return None
    return network if network.is_private and 16 <= network.prefixlen <= 28 else None


def _is_range(value: Any) -> bool:
    """Whether a range is in the form that AWS returns; in any other form, every run would see a change."""
    try:
        return isinstance(value, str) and str(ipaddress.ip_network(value)) == value
    except ValueError:
        return False


def _are_hours(value: Any) -> bool:
    """Whether the value is valid hours of the model host, or empty."""
    try:
        return isinstance(value, str) and (not value or bool(parse(value)))
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    """Whether the value is a whole number; a boolean and 2.0 are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """`pattern`: must match the whole value, because `$` alone allows a line break at the end."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError("does not match")


def _inside(
    _validator: Any, pairs: Mapping[str, str], values: Any, _schema: Any
) -> Iterator[ValidationError]:
    """`x-inside`: a network is inside another one. An invalid network gets its own message elsewhere."""
    for name, outer in pairs.items():
        inside, around = _network(values.get(name)), _network(values.get(outer))
        if inside and around and not inside.subnet_of(around):
            yield ValidationError("is outside", path=(name,))


def _less_than(
    _validator: Any, pairs: Mapping[str, Any], values: Any, _schema: Any
) -> Iterator[ValidationError]:
    """`x-less-than`: a number is less than `times` another one."""
    for name, limit in pairs.items():
        value, other = values.get(name), values.get(limit["setting"])
        if _is_number(value) and _is_number(other) and value >= other * limit["times"]:
            yield ValidationError("is too large", path=(name,))


def _unique(_validator: Any, key: str, values: Any, _schema: Any) -> Iterator[ValidationError]:
    """`x-unique`: no two mappings of a list have the same value of this key."""
    names = [one.get(key) for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []
    if any(one in names[:at] for at, one in enumerate(names)):
        yield ValidationError("is there twice")


def _wrong(values: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, str]:
    """Settings that break the schema: name -> the reason another setting gives, or an empty string."""
    formats = FormatChecker(formats=())
    formats.checks("private-network")(lambda value: _network(value) is not None)
    formats.checks("network")(_is_range)
    formats.checks("model-hours")(_are_hours)
    validator = extend(
        Draft202012Validator,
        {"pattern": _whole, "x-inside": _inside, "x-less-than": _less_than, "x-unique": _unique},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _checker, one: _is_number(one)
        ),
    )
    wrong: dict[str, str] = {}
    for error in validator(schema, format_checker=formats).iter_errors(values):
        name, at = str(error.absolute_path[0]), list(error.absolute_schema_path)
        because = schema["allOf"][at[1]].get("x-because", "") if at[0] == "allOf" else ""
        wrong[name] = wrong.get(name) or because
    return wrong


def preflight_problems(values: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """One sentence for each setting that is unknown, missing, or not as the schema wants it."""
    settings, removed = schema["properties"], schema.get("x-removed", {})
    problems = []
    for name in sorted(set(values) - set(settings)):
        if name in removed:
            problems.append(f"'{name}' is no longer a setting: {removed[name]}.")
            continue
        near = difflib.get_close_matches(name, settings, n=1, cutoff=0.5)
        problems.append(
            f"'{name}' is not a setting"
            + (f"; did you mean '{near[0]}'?" if near else f". Settings: {', '.join(settings)}.")
        )
    given = {name: meant(values[name], one["type"]) for name, one in settings.items() if name in values}
    wrong = _wrong(given, schema)
    for name, one in settings.items():
        if name not in given:
            problems.append(f"'{name}' is not set: it must be {says(one)}.")
        elif control := _control(values[name]):
            problems.append(f"'{name}' contains {control}: it must be {says(one)}.")
        elif name in wrong:
            shown = (
                "a value that is not shown, since it is secret" if one.get("writeOnly") else repr(given[name])
            )
            if given[name] in ("", None):
                shown = f"empty (because {wrong[name]})" if wrong[name] else "empty"
            problems.append(f"'{name}' is {shown}: it must be {says(one)}.")
    return problems


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"preflight_problems": preflight_problems}
