"""What policies decide, as IAM documents it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.authorization.conditions import UnknownOperatorError
from sandbox.aws.authorization.policies import BOUNDARY, Decision, Policy, Question, decide, parse

ROOT = Path(__file__).parents[3]
INSTANCE = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"
STOP = "ec2:StopInstances"
TAGGED = {"StringLike": {"aws:ResourceTag/ragdock:name": "*"}}


def policy(*statements: dict[str, Any]) -> Policy:
    """A policy of these statements; by default each one allows everything on everything."""
    whole = [{"Effect": "Allow", "Action": "*", "Resource": "*"} | one for one in statements]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": whole}))


def decided(*policies: Policy, action: str = STOP, resource: str = INSTANCE, **more: Any) -> Decision:
    """The decision of these policies; KEYS are the request's condition keys."""
    keys = more.pop("keys", {})
    context = {key.lower(): value if isinstance(value, tuple) else (value,) for key, value in keys.items()}
    return decide(Question(action, resource, context), policies, **more)


def test_what_a_statement_names_is_allowed() -> None:
    """Action and resource equal those of the statement."""
    assert decided(policy({"Action": STOP, "Resource": INSTANCE})).allowed


def test_what_no_statement_names_is_denied() -> None:
    """The implicit denial, which also applies without any policy."""
    assert not decided().allowed
    found = decided(policy({"Sid": "Look", "Action": "ec2:Describe*"}))
    assert (found.allowed, found.explicit, found.why) == (False, False, "no statement allows it")


def test_an_explicit_denial_wins() -> None:
    """No other statement overrides it, in this policy or another, of the principal or of the resource."""
    everything, never = policy({}), policy({"Sid": "Never", "Effect": "Deny", "Action": STOP})
    for found in (
        decided(everything, never),
        decided(never, everything),
        decided(never, resource_policy=everything),
    ):
        assert (found.allowed, found.explicit, found.why) == (False, True, "Never denies it")
    assert decided(never, everything, action="ec2:StartInstances").allowed


@pytest.mark.parametrize(
    ("pattern", "action", "covered"),
    [
        ("ec2:StopInstances", "ec2:StopInstances", True),
        ("EC2:stopinstances", "ec2:StopInstances", True),
        ("ec2:Describe*", "ec2:DescribeVpcs", True),
        ("ec2:Describe*", "ec2:StopInstances", False),
        ("ec2:*", "ec2:StopInstances", True),
        ("*", "s3:GetObject", True),
        ("ec2:Describe????", "ec2:DescribeVpcs", True),
        ("ec2:Describe????", "ec2:DescribeSubnets", False),
        ("s3:Get.bject", "s3:GetObject", False),
    ],
)
def test_actions_have_wildcards_and_no_case(pattern: str, action: str, covered: bool) -> None:
    """A dot is literal."""
    assert decided(policy({"Action": pattern}), action=action).allowed is covered


@pytest.mark.parametrize(
    ("pattern", "resource", "covered"),
    [
        ("arn:aws:ec2:*:*:instance/*", INSTANCE, True),
        ("arn:aws:ec2:*:*:volume/*", INSTANCE, False),
        ("arn:aws:ec2:eu-central-1:*:instance/*", INSTANCE, False),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", True),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket/key", False),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", False),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/folder/key", True),
        ("arn:aws:s3:::Bucket", "arn:aws:s3:::bucket", False),
        ("arn:aws:ssm:*:*:parameter/ragdock/a/*", "arn:aws:ssm:us-east-1:1:parameter/ragdock/ab/c", False),
    ],
)
def test_resources_have_wildcards_and_case(pattern: str, resource: str, covered: bool) -> None:
    """A pattern for a bucket does not cover its objects."""
    assert decided(policy({"Resource": pattern}), resource=resource).allowed is covered


def test_not_action_and_not_resource_name_all_others() -> None:
    """These rarely used elements cover everything that they do not name."""
    but = policy({"NotAction": "iam:*"})
    assert decided(but).allowed
    assert not decided(but, action="iam:CreateUser").allowed
    elsewhere = policy({"NotResource": INSTANCE})
    assert not decided(elsewhere).allowed
    assert decided(elsewhere, resource="arn:aws:s3:::bucket").allowed


def test_a_tag_of_the_resource_is_the_boundary() -> None:
    """Allowed with the tag, denied without it, and the reason names the condition."""
    bounded = policy({"Sid": "Tagged", "Action": STOP, "Condition": TAGGED})
    assert decided(bounded, keys={"aws:ResourceTag/ragdock:name": "demo"}).allowed
    found = decided(bounded)
    assert not found.allowed
    assert "Tagged would, but for StringLike aws:ResourceTag/ragdock:name ['*']" in found.why


def test_all_conditions_of_a_statement_must_be_met() -> None:
    """Operators and keys are combined with AND, several values of one key with OR."""
    both = policy({"Condition": {"StringEquals": {"a": ["1", "2"], "b": "3"}, "Bool": {"c": True}}})
    assert decided(both, keys={"a": "2", "b": "3", "c": "true"}).allowed
    for lacking in ({"a": "2", "b": "3"}, {"a": "2", "c": "true"}, {"a": "4", "b": "3", "c": "true"}):
        assert not decided(both, keys=lacking).allowed


@pytest.mark.parametrize(
    ("condition", "keys", "met"),
    [
        ({"StringEquals": {"k": "Value"}}, {"k": "Value"}, True),
        ({"StringEquals": {"k": "Value"}}, {"K": "Value"}, True),
        ({"StringEquals": {"k": "Value"}}, {"k": "value"}, False),
        ({"StringEquals": {"k": "V*"}}, {"k": "Value"}, False),
        ({"StringEquals": {"k": "Value"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "Value"}}, {}, True),
        ({"StringEqualsIfExists": {"k": "Value"}}, {"k": "other"}, False),
        ({"StringEqualsIgnoreCase": {"k": "VALUE"}}, {"k": "value"}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "c"}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringLike": {"k": "V*e"}}, {"k": "Value"}, True),
        ({"StringLike": {"k": "?"}}, {"k": "ab"}, False),
        ({"StringNotLike": {"k": "V*"}}, {"k": "Value"}, False),
        ({"ArnLike": {"k": "arn:aws:iam::*:role/a-*"}}, {"k": "arn:aws:iam::1:role/a-b"}, True),
        ({"ArnEquals": {"k": "arn:aws:iam::*:role/a-*"}}, {"k": "arn:aws:iam::1:role/b"}, False),
        ({"NumericLessThanEquals": {"k": "15"}}, {"k": "15"}, True),
        ({"NumericLessThanEquals": {"k": "15"}}, {"k": "16"}, False),
        ({"NumericLessThanEquals": {"k": "15"}}, {"k": "many"}, False),
        ({"NumericGreaterThan": {"k": 15}}, {"k": "16"}, True),
        ({"DateLessThan": {"k": "2030-01-01T00:00:00Z"}}, {"k": "2029-12-31T23:59:59+00:00"}, True),
        ({"DateGreaterThan": {"k": "2030-01-01T00:00:00Z"}}, {"k": "2029-12-31T23:59:59Z"}, False),
        ({"Bool": {"k": "false"}}, {"k": "true"}, False),
        ({"BoolIfExists": {"k": "true"}}, {}, True),
        ({"IpAddress": {"k": "10.0.0.0/8"}}, {"k": "10.1.2.3"}, True),
        ({"NotIpAddress": {"k": "10.0.0.0/8"}}, {"k": "10.1.2.3"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "true"}}, {"k": "x"}, False),
        ({"Null": {"k": "false"}}, {"k": "x"}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ("a", "b")}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ("a", "c")}, False),
        ({"ForAllValues:StringEquals": {"k": "a"}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {"k": ("a", "c")}, True),
        ({"ForAnyValue:StringEquals": {"k": "a"}}, {"k": ("b", "c")}, False),
        ({"ForAnyValue:StringEquals": {"k": "a"}}, {}, False),
        ({"ForAllValues:StringNotLike": {"k": "aws:*"}}, {"k": ("a", "b")}, True),
        ({"ForAllValues:StringNotLike": {"k": "aws:*"}}, {"k": ("a", "aws:b")}, False),
        ({"ForAnyValue:StringNotEquals": {"k": "a"}}, {"k": ("a", "b")}, True),
    ],
)
def test_condition_operators(condition: dict[str, Any], keys: dict[str, Any], met: bool) -> None:
    """For keys that are present, keys that are absent, and keys with several values."""
    assert decided(policy({"Condition": condition}), keys=keys).allowed is met


def test_an_unknown_operator_is_refused_when_the_policy_is_read() -> None:
    """Otherwise a condition would be met, or fail, for a reason that nobody sees."""
    with pytest.raises(UnknownOperatorError, match="StringMatches"):
        policy({"Condition": {"StringMatches": {"k": "v"}}})


@pytest.mark.parametrize(
    ("resource", "keys", "covered"),
    [
        ("session/${aws:username}-*", {"aws:username": "ann"}, True),
        ("session/${aws:username}-*", {"aws:username": "bob"}, False),
        ("session/${aws:username}-*", {}, False),
        ("session/${aws:username, 'ann'}-*", {}, True),
        # An asterisk in a value is literal.
        ("session/${aws:username}-*", {"aws:username": "*"}, False),
        ("session/ann-${*}", {}, False),
    ],
)
def test_variables_stand_for_values_of_the_request(
    resource: str, keys: dict[str, Any], covered: bool
) -> None:
    """A variable works in resources; one without a value matches nothing."""
    found = decided(
        policy({"Resource": f"arn:aws:ssm:*:*:{resource}"}),
        resource="arn:aws:ssm:us-east-1:1:session/ann-0abc",
        keys=keys,
    )
    assert found.allowed is covered


def test_variables_in_conditions() -> None:
    """Used to limit which sessions a user may end."""
    own = policy({"Condition": {"StringEquals": {"ssm:resourceTag/owner": "${aws:userid}"}}})
    assert decided(own, keys={"ssm:resourceTag/owner": "AIDA1", "aws:userid": "AIDA1"}).allowed
    assert not decided(own, keys={"ssm:resourceTag/owner": "AIDA1", "aws:userid": "AIDA2"}).allowed
    assert not decided(own, keys={"ssm:resourceTag/owner": "AIDA1"}).allowed


def test_the_policy_of_a_resource_can_allow_and_deny() -> None:
    """Within one account, either policy is enough to allow, and either is enough to deny."""
    principals = frozenset({"arn:aws:iam::1:user/ann"})
    ann = policy({"Principal": {"AWS": "arn:aws:iam::1:user/ann"}})
    assert decided(resource=INSTANCE, resource_policy=ann.of(principals)).allowed
    assert not decided(resource_policy=ann.of(frozenset({"arn:aws:iam::1:user/bob"}))).allowed
    nobody = policy(
        {"Principal": "*", "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    )
    everything = policy({})
    insecure, secure = {"aws:SecureTransport": "false"}, {"aws:SecureTransport": "true"}
    assert not decided(everything, resource_policy=nobody.of(principals), keys=insecure).allowed
    assert decided(everything, resource_policy=nobody.of(principals), keys=secure).allowed


def test_a_permissions_boundary_limits_what_policies_allow() -> None:
    """Both the policy and the boundary have to allow an action."""
    only_ec2 = policy({"Action": "ec2:*"})
    assert decided(policy({}), limits={BOUNDARY: only_ec2}).allowed
    found = decided(policy({}), action="s3:GetObject", limits={BOUNDARY: only_ec2})
    assert not found.allowed
    assert "boundary" in found.why


def test_a_decision_takes_less_than_a_millisecond() -> None:
    """A deployment makes some hundreds of requests, each with several decisions."""
    operator = parse((ROOT / "docs/policies/operator.json").read_text())
    keys = {"aws:userid": "AIDA1", "aws:ResourceTag/ragdock:name": "demo"}
    started = time.perf_counter()
    for _ in range(200):
        assert decided(operator, keys=keys).allowed
        assert not decided(operator, action="ec2:ModifyReservedInstances", keys=keys).allowed
    assert (time.perf_counter() - started) / 400 < 0.001
