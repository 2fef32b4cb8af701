"""Checks every setting against the schema (inventory/schema.yml), and reports what to change."""

from __future__ import annotations

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.ragdock.host.plugins.module_utils.model_hours import parse

# Optional: tools that only list the filters do not need it, and the host only gets settings already checked.
with suppress(ImportError):
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError
    from jsonschema.validators import extend

# Unicode categories that end a line or are invisible: controls, line and paragraph separators, surrogates.
UNSEEN = {"Cc", "Zl", "Zp", "Cs"}
# Characters that change the writing direction, so that a value is displayed as another one.
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What may be shown of a model's `key`: a parameter's name. Anything else may be the key itself.
PARAMETER = re.compile(r"remote_[a-z0-9_]{1,60}")
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# A user and a password in an address, with or without a scheme; and what follows an address.
USERINFO = re.compile(r"(?s)^(\w+:/{1,2})?(?(1)|(?=[^@]*:)).*@")
QUERY = re.compile(r"(?s)(://[^?#]*[?#]).*")
HIDDEN = "(not shown)"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
RFC_1918 = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
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
    inside = any(network.subnet_of(one) for one in RFC_1918)
    return network if inside and 16 <= network.prefixlen <= 28 and _is_range(value) else None


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


def _is_server_url(value: Any) -> bool:
    """Whether an address has a valid host name and port; its other parts have a pattern."""
    try:
        address = urlsplit(value)
        host, port = address.hostname or "", address.port
    except (AttributeError, TypeError, ValueError):
        return False
    if port == 0 or len(host) > 253 or not all(LABEL.fullmatch(one) for one in host.split(".")):
        return False
    # Resolvers read a name whose last label is a number as an IPv4 address.
    return not host.rpartition(".")[2].isdigit() or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(host))
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


def _errors(values: dict[str, Any], schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    formats = FormatChecker(formats=())
    formats.checks("private-network")(lambda value: _network(value) is not None)
    formats.checks("network")(_is_range)
    formats.checks("model-hours")(_are_hours)
    formats.checks("server-url")(_is_server_url)
    validator = extend(
        Draft202012Validator,
        {"pattern": _whole, "x-inside": _inside, "x-less-than": _less_than, "x-unique": _unique},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _checker, one: _is_number(one)
        ),
    )
    yield from validator(schema, format_checker=formats).iter_errors(values)


def _wrong(values: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, list[ValidationError]]:
    """The errors of each setting that breaks the schema; at most one for each entry of a list or mapping."""
    found: dict[str, dict[Any, ValidationError]] = {}
    for error in sorted(_errors(values, schema), key=_conditional):
        name, *inside = error.absolute_path
        found.setdefault(str(name), {}).setdefault(inside[0] if inside else None, error)
    for name, places in found.items():
        # What is wrong with a list as a whole may only follow from a wrong entry.
        if isinstance(values[name], list) and len(places) > 1:
            places.pop(None, None)
    return {name: list(places.values()) for name, places in found.items()}


def _conditional(error: ValidationError) -> bool:
    """Whether a rule depends on other fields: one of those may be the cause, and comes first."""
    return bool({"allOf", "then", "else"} & set(map(str, error.absolute_schema_path)))


def _because(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """The reason that another setting gives, or an empty string."""
    at = list(error.absolute_schema_path)
    return str(schema["allOf"][at[1]].get("x-because", "")) if at[0] == "allOf" else ""


def _place(setting: Any, path: list[Any]) -> str:
    """Where in a list or mapping something is wrong: an entry with its name, a field."""
    words = []
    for at in path:
        setting = setting[at]
        if not isinstance(at, int):
            words.append(f"field '{at}'")
        elif words:
            words.append(f"item {at + 1}")
        else:
            name = setting.get("name") if isinstance(setting, Mapping) else None
            words.append(f"entry {at + 1}" + (f" ('{name}')" if _is_name(name) else ""))
    return " " + ", ".join(words) if words else ""


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(re.fullmatch(r"[A-Za-z0-9._:/-]{1,80}", name))


def _shown(value: Any, path: list[Any]) -> str:
    """The value of one field, without what may be secret. Lists and mappings are described, never shown."""
    if "key" in path and not (isinstance(value, str) and PARAMETER.fullmatch(value)):
        return "a value that is not shown, since it may be a key"
    if "base_url" in path and not (isinstance(value, str) and re.match("https?://", value)):
        return "a value that is not shown, since it is no address"
    if isinstance(value, str):
        return repr(QUERY.sub(rf"\1{HIDDEN}", USERINFO.sub(rf"\1{HIDDEN}@", value)))
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "a mapping" if isinstance(value, Mapping) else repr(value)


def _fields(names: Iterable[str]) -> str:
    shown = [f"'{one}'" for one in names]
    return ("the field " if len(shown) == 1 else "the fields ") + ", ".join(shown)


def _unknown(names: Iterable[Any]) -> str:
    """Fields that do not exist, of which one may be a secret: only what is like a name is shown."""
    shown = [one if isinstance(one, str) and FIELD.fullmatch(one) else HIDDEN for one in names]
    return f"has {_fields(shown)}, which {'is' if len(shown) == 1 else 'are'} unknown"


def _finding(error: ValidationError) -> str:
    """What was found at an error's place, to complete a sentence."""
    path, value, rule = list(error.absolute_path)[1:], error.instance, error.validator
    if rule == "not" and not error.validator_value:
        return "does not belong here"
    if "key" not in path and rule == "required":
        return f"lacks {_fields(one for one in error.validator_value if one not in value)}"
    if "key" not in path and rule == "additionalProperties":
        return _unknown(one for one in value if one not in error.schema["properties"])
    if "propertyNames" in error.absolute_schema_path:
        return _unknown([value])
    if rule == "x-unique":
        return f"has a '{error.validator_value}' twice"
    return f"is {_shown(value, path)}"


def _rule(error: ValidationError) -> str:
    """The rule of the wrong field itself; empty if only that of the whole setting says it."""
    rule = error.schema if isinstance(error.schema, Mapping) else {}
    own = not _conditional(error) and ("enum" in rule or "maximum" in rule)
    return says(rule) if own or "x-says" in rule else ""


def _sentence(name: str, given: Any, error: ValidationError, schema: Mapping[str, Any]) -> str:
    """What is wrong with a setting, and what it must be."""
    setting, path = schema["properties"][name], list(error.absolute_path)[1:]
    if given in ("", None):
        because = _because(error, schema)
        return f"'{name}' is empty{f' (because {because})' if because else ''}: it must be {says(setting)}."
    if setting.get("writeOnly"):
        return f"'{name}' is a value that is not shown, since it is secret: it must be {says(setting)}."
    if setting["type"] not in ("array", "object"):
        return f"'{name}' is {_shown(given, [])}: it must be {says(setting)}."
    if isinstance(given, str):
        return f"'{name}' is text: it must be {says(setting)}."
    found = f"'{name}'{_place(given, path)} {_finding(error)}"
    if path and not _rule(error):
        return f"{found}. '{name}' must be {says(setting)}."
    return f"{found}: it must be {_rule(error) or says(setting)}."


def preflight_problems(values: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """One sentence for each setting that is unknown, missing, or not as the schema wants it.

    Of a list or mapping, only the wrong field is shown: another one may have a key that was pasted there.
    """
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
        else:
            problems += [_sentence(name, given[name], error, schema) for error in wrong.get(name, [])]
    return problems


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"preflight_problems": preflight_problems}
