"""Checks every setting against its specification and rule, and says what to change."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

MODEL_KEYS = {"name", "use", "source", "files", "parameters"}
MODEL_USES = {"chat", "fallback", "large", "embed"}
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


def _typed(value: Any, kind: str) -> Any:
    """VALUE as its type; -e name=value brings text, which may stand for a number or a truth."""
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
    """Does a number lie in the rule's range?"""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return bool(rule.get("min", value) <= value <= rule.get("max", value))


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
        if not isinstance(model["use"], list):
            return False
        uses += model["use"]
    return sorted(uses) == sorted(set(uses)) and {"chat", "embed"} <= set(uses) <= MODEL_USES


def _right(value: Any, rule: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Does a value of the right type keep its rule?"""
    if isinstance(value, str) and not value:
        return not (rule.get("required") or values.get(rule.get("required_with", "")))
    if "pattern" in rule:
        return re.fullmatch(rule["pattern"], value) is not None
    if "network" in rule:
        return _network(value, values.get(rule.get("inside", "")))
    if "keys" in rule:
        return set(value) == set(rule["keys"]) and all(_within(item, rule) for item in value.values())
    if "models" in rule:
        return _models(value)
    return not ({"min", "max"} & set(rule)) or _within(value, rule)


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
        try:
            value = _typed(given[name], option["type"])
            right = _right(value, rule, values) and value in option.get("choices", [value])
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
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"preflight_problems": preflight_problems}
