"""The conditions of a policy's statements."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.authorization.patterns import Context, matches, substituted

Test = Callable[[str, str], bool]


def _time(text: str) -> float:
    return float(text) if text.isdecimal() else dt.datetime.fromisoformat(text).timestamp()


def _in_network(value: str, wanted: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)


# Operator -> whether a value of the request matches a value of the policy. The `Like` operators are handled
# separately, because wildcards and variables must be resolved together.
TESTS: dict[str, Test] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "NumericEquals": lambda value, wanted: float(value) == float(wanted),
    "NumericLessThan": lambda value, wanted: float(value) < float(wanted),
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
    "NumericGreaterThan": lambda value, wanted: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda value, wanted: float(value) >= float(wanted),
    "DateEquals": lambda value, wanted: _time(value) == _time(wanted),
    "DateLessThan": lambda value, wanted: _time(value) < _time(wanted),
    "DateLessThanEquals": lambda value, wanted: _time(value) <= _time(wanted),
    "DateGreaterThan": lambda value, wanted: _time(value) > _time(wanted),
    "DateGreaterThanEquals": lambda value, wanted: _time(value) >= _time(wanted),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "IpAddress": _in_network,
}
LIKE = frozenset({"StringLike", "ArnLike", "ArnEquals"})
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
QUANTIFIERS = ("ForAllValues", "ForAnyValue")
IF_EXISTS = "IfExists"


class UnknownOperatorError(ValueError):
    """A condition operator that IAM does not have, or that is not supported here."""


@dataclass(frozen=True)
class Condition:
    """One key of one operator, with the values that the policy names."""

    written: str
    operator: str
    quantifier: str
    if_exists: bool
    key: str
    wanted: tuple[str, ...]

    def __str__(self) -> str:
        """Return the condition as written in the policy."""
        return f"{self.written} {self.key} {list(self.wanted)}"

    def met(self, context: Context) -> bool:
        """Return whether a request meets the condition."""
        values = context.get(self.key.lower(), ())
        if self.operator == "Null":
            return (not values) == (self.wanted[0].lower() == "true")
        negated = self.operator in NEGATED
        if not values:
            # The request has no such key: a negated comparison is met, a positive one is not.
            return self.if_exists or self.quantifier == "ForAllValues" or (negated and not self.quantifier)
        operator = NEGATED.get(self.operator, self.operator)
        passed = [
            any(_passes(operator, value, one, context) for one in self.wanted) != negated for value in values
        ]
        if self.quantifier == "ForAnyValue" or (not self.quantifier and not negated):
            return any(passed)
        return all(passed)


def _passes(operator: str, value: str, wanted: str, context: Context) -> bool:
    if operator in LIKE:
        return matches(wanted, value, context)
    text = substituted(wanted, context)
    if text is None:
        return False
    try:
        return TESTS[operator](value, text)
    except ValueError:
        # The value is not the number, time or address that the operator compares.
        return False


def conditions(block: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    """Parse the `Condition` element of a statement."""
    for written, keys in block.items():
        quantifier, _, name = written.rpartition(":")
        if_exists = name.endswith(IF_EXISTS)
        operator = name.removesuffix(IF_EXISTS)
        known = operator == "Null" or operator in LIKE or operator in TESTS or operator in NEGATED
        if not known or quantifier not in ("", *QUANTIFIERS):
            raise UnknownOperatorError(f"{written} is no condition operator that is known here")
        for key, value in keys.items():
            yield Condition(written, operator, quantifier, if_exists, key, tuple(_texts(value)))


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        yield str(one).lower() if isinstance(one, bool) else str(one)
