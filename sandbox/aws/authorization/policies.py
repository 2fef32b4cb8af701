"""Parses policies and evaluates several of them for one request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sandbox.aws.authorization.conditions import Condition, conditions
from sandbox.aws.authorization.patterns import Context, any_of, has_variable, matches

# Kinds of policies, as named in AWS's messages.
IDENTITY, RESOURCE = "identity-based policy", "resource-based policy"
BOUNDARY, SESSION = "permissions boundary", "session policy"
NONE: Mapping[str, Policy] = {}


@dataclass(frozen=True)
class Question:
    """The request to decide: one action on one resource."""

    action: str
    resource: str
    context: Context


@dataclass(frozen=True)
class Resources:
    """The resources of a statement: those without variables as one regular expression, the others as is."""

    fixed: re.Pattern[str]
    variable: tuple[str, ...]

    def include(self, arn: str, context: Context) -> bool:
        """Return whether one of them matches this ARN."""
        return bool(self.fixed.fullmatch(arn)) or any(matches(one, arn, context) for one in self.variable)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    actions: re.Pattern[str]
    not_actions: bool
    resources: Resources
    not_resources: bool
    # Only in resource-based policies: ARNs or accounts, or * for everybody.
    principals: frozenset[str]
    conditions: tuple[Condition, ...]

    def covers(self, question: Question) -> bool:
        """Return whether it applies to this action and this resource."""
        if (self.actions.fullmatch(question.action) is None) != self.not_actions:
            return False
        return self.resources.include(question.resource, question.context) != self.not_resources

    def names(self, principals: frozenset[str]) -> bool:
        """Return whether it applies to one of these principals."""
        return "*" in self.principals or bool(self.principals & principals)

    def unmet(self, context: Context) -> list[Condition]:
        """Return the conditions that this request does not meet."""
        return [condition for condition in self.conditions if not condition.met(context)]


@dataclass(frozen=True)
class Policy:
    """A parsed policy document."""

    statements: tuple[Statement, ...]

    def of(self, principals: frozenset[str], denied: frozenset[str] = frozenset()) -> Policy:
        """Return the statements about these principals, and the denials that also apply to `denied`."""
        return Policy(
            tuple(
                one
                for one in self.statements
                if one.names(principals) or (not one.allows and one.names(denied))
            )
        )


@dataclass(frozen=True)
class Decision:
    """The answer to a question, and why."""

    allowed: bool
    explicit: bool
    why: str
    # The kind of policy that denies the request, or that does not allow it.
    kind: str = ""


@lru_cache(maxsize=256)
def parse(document: str) -> Policy:
    """Parse a policy document; results are cached."""
    statements = json.loads(document)["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return Policy(tuple(_statement(number, one) for number, one in enumerate(listed, start=1)))


def decide(
    question: Question,
    identity: Iterable[Policy],
    resource_policy: Policy | None = None,
    limits: Mapping[str, Policy] = NONE,
    organization: Mapping[str, Policy] = NONE,
) -> Decision:
    """Decide like IAM within one account: a denial wins, then any allow counts, else the request is denied.

    IDENTITY are the principal's own policies; RESOURCE_POLICY is the part of the resource's policy about the
    principal. LIMITS, by kind, restrict what the identity policies can allow; ORGANIZATION also restricts
    what the resource's policy can allow.
    """
    own = [statement for policy in identity for statement in policy.statements]
    of_resource = resource_policy.statements if resource_policy else ()
    kinds = (
        *((kind, policy.statements) for kind, policy in organization.items()),
        (RESOURCE, of_resource),
        (IDENTITY, own),
        *((kind, policy.statements) for kind, policy in limits.items()),
    )
    for kind, statements in kinds:
        for one in statements:
            if not one.allows and one.covers(question) and not one.unmet(question.context):
                return Decision(False, True, f"{one.sid} denies it", kind)
    if lacking := _lacking(organization, question):
        return lacking
    if granted := _allowance(of_resource, question):
        return Decision(True, False, f"the resource's {granted.sid} allows it")
    if granted := _allowance(own, question):
        return _lacking(limits, question) or Decision(True, False, f"{granted.sid} allows it")
    near = [
        f"{one.sid} would, but for {' and '.join(map(str, one.unmet(question.context)))}"
        for one in own
        if one.allows and one.covers(question)
    ]
    return Decision(False, False, "; ".join(["no statement allows it", *near]), IDENTITY)


def _lacking(limits: Mapping[str, Policy], question: Question) -> Decision | None:
    """Return the denial by the first limit that does not allow the request, or None."""
    for kind, policy in limits.items():
        if not _allowance(policy.statements, question):
            return Decision(False, False, f"the {kind} does not allow it", kind)
    return None


def _allowance(statements: Iterable[Statement], question: Question) -> Statement | None:
    return next(
        (
            one
            for one in statements
            if one.allows and one.covers(question) and not one.unmet(question.context)
        ),
        None,
    )


def _statement(number: int, written: Mapping[str, Any]) -> Statement:
    not_actions, not_resources = "NotAction" in written, "NotResource" in written
    resources = list(_listed(written.get("NotResource" if not_resources else "Resource", "*")))
    return Statement(
        sid=written.get("Sid") or f"statement {number}",
        allows=written["Effect"] == "Allow",
        actions=any_of(_listed(written["NotAction" if not_actions else "Action"]), ignore_case=True),
        not_actions=not_actions,
        resources=Resources(
            fixed=any_of(one for one in resources if not has_variable(one)),
            variable=tuple(one for one in resources if has_variable(one)),
        ),
        not_resources=not_resources,
        principals=frozenset(_principals(written.get("Principal", {}))),
        conditions=tuple(conditions(written.get("Condition", {}))),
    )


def _principals(written: str | Mapping[str, Any]) -> Iterator[str]:
    if isinstance(written, str):
        yield written
        return
    for values in written.values():
        yield from _listed(values)


def _listed(value: str | list[str]) -> Iterator[str]:
    yield from [value] if isinstance(value, str) else value
