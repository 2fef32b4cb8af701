"""Checks every setting against its specification and rule, and reports what to change."""

from __future__ import annotations

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

MODEL_KEYS = {"name", "use", "source", "files", "parameters"}
MODEL_USES = {"chat", "fallback", "large", "embed"}
# registry/namespace/name:tag, as Ollama writes it; goes to .env, into Modelfiles and to the API.
MODEL_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,3}(:[A-Za-z0-9._-]{1,80})?\Z"
)
PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
# What ends a line or cannot be seen: control characters, line and paragraph separators, halves of characters.
UNSEEN = {"Cc", "Zl", "Zp", "Cs"}
# What turns the direction of writing, so that a value reads as another one.
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "list": (list,),
    "dict": (dict,),
}
TYPE_NAMES = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "list": "a list",
    "dict": "a mapping",
}


def _texts(value: Any) -> Iterator[str]:
    """Every text of a value, however deep, the keys of mappings too."""
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
    """The first control character of a value and where it is; empty without one."""
    for text in _texts(value):
        for at, one in enumerate(text):
            if unicodedata.category(one) in UNSEEN or one in TURNING:
                return f"a control character (U+{ord(one):04X} at position {at + 1})"
    return ""


def _typed(value: Any, kind: str) -> Any:
    """VALUE as its type; -e name=value gives text, which may represent a number or a boolean."""
    if isinstance(value, str) and kind == "int" and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    if isinstance(value, str) and kind == "bool" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool) and kind == "int":
        raise TypeError
    if not isinstance(value, TYPES[kind]):
        raise TypeError
    return value


def _meant(value: Any, option: Mapping[str, Any]) -> Any:
    """What a setting means for those that depend on it: `false` as text is false, and so is nonsense."""
    try:
        return _typed(value, option.get("type", "str"))
    except TypeError:
        return None


def _within(value: Any, rule: Mapping[str, Any]) -> bool:
    """Whether a number is in the rule's range."""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return bool(rule.get("min", value) <= value <= rule.get("max", value))


def _is_part(value: int, rule: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Is a number less than the setting that it is a part of (a wrong whole has its own message)?"""
    if "part_of" not in rule:
        return True
    whole = values.get(rule["part_of"]["name"])
    return not isinstance(whole, int) or value < whole * rule["part_of"]["times"]


def _network(value: str, outer: str | None = None) -> bool:
    """Is it a private range, and inside OUTER (a wrong OUTER has its own message)?"""
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        return False
    inside = outer is None or not _network(outer) or network.subnet_of(ipaddress.IPv4Network(outer))
    return network.is_private and 16 <= network.prefixlen <= 28 and inside


def _models(models: list[Any]) -> bool:
    uses: list[str] = []
    for model in models:
        if not isinstance(model, Mapping) or not {"name", "use", "source"} <= set(model) <= MODEL_KEYS:
            return False
        if model["source"] not in ("library", "files") or (model["source"] == "files") != bool(
            model.get("files")
        ):
            return False
        if not isinstance(model["use"], list) or not all(isinstance(use, str) for use in model["use"]):
            return False
        if not isinstance(model["name"], str) or not MODEL_NAME.match(model["name"]):
            return False
        files, parameters = model.get("files", []), model.get("parameters", {})
        if not isinstance(files, list) or not all(isinstance(path, str) and path for path in files):
            return False
        if not isinstance(parameters, Mapping) or not all(PARAMETER.match(str(key)) for key in parameters):
            return False
        uses += model["use"]
    return sorted(uses) == sorted(set(uses)) and {"chat", "embed"} <= set(uses) <= MODEL_USES


def _elements(value: Any, option: Mapping[str, Any]) -> list[Any]:
    """The values that the specification describes: for a list, its items."""
    return value if "elements" in option else []


def _right(value: Any, rule: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Does a value of the right type keep its rule?"""
    if isinstance(value, str) and not value:
        return not (rule.get("required") or values.get(rule.get("required_with", "")))
    if "patterns" in rule:
        rule = {"pattern": rule["patterns"].get(values.get(rule["by"]), "")}
    if "pattern" in rule:
        return re.match(rf"(?:{rule['pattern']})\Z", value) is not None
    if "network" in rule:
        return _network(value, values.get(rule.get("inside", "")))
    if "keys" in rule:
        return set(value) == set(rule["keys"]) and all(_within(item, rule) for item in value.values())
    if "models" in rule:
        return _models(value)
    return not ({"min", "max"} & set(rule)) or (_within(value, rule) and _is_part(value, rule, values))


def preflight_problems(
    values: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]], rules: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """One sentence for each setting that is unknown, missing, of the wrong type or out of range."""
    problems = []
    given = values
    values = {name: _meant(value, spec.get(name, {})) for name, value in given.items()}
    for name in sorted(set(values) - set(spec)):
        near = difflib.get_close_matches(name, spec, n=1, cutoff=0.5)
        problems.append(
            f"'{name}' is not a setting"
            + (f"; did you mean '{near[0]}'?" if near else f". Settings: {', '.join(spec)}.")
        )
    for name, option in spec.items():
        rule = rules.get(name, {})
        says = rule.get("says", TYPE_NAMES[option["type"]])
        if "choices" in option:
            says = "one of " + ", ".join(option["choices"])
        if name not in values:
            problems.append(f"'{name}' is not set: it must be {says}.")
            continue
        value = given[name]
        if control := _control(value):
            problems.append(f"'{name}' contains {control}: it must be {says}.")
            continue
        try:
            value = _typed(given[name], option["type"])
            right = _right(value, rule, values) and value in option.get("choices", [value])
            right = right and all(
                isinstance(one, TYPES[option["elements"]]) for one in _elements(value, option)
            )
        except TypeError:
            right = False
        if not right and value in ("", None):
            cause = (
                f" (because {rule['required_with']} is set)"
                if values.get(rule.get("required_with", ""))
                else ""
            )
            problems.append(f"'{name}' is empty{cause}: it must be {says}.")
        elif not right:
            problems.append(f"'{name}' is {value!r}: it must be {says}.")
    return problems


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"preflight_problems": preflight_problems}
