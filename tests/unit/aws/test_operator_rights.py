"""What docs/policies grants an operator. Whether a deployment needs it: tests/refusals/test_deployment.py."""

from __future__ import annotations

import json
import re

from sandbox.aws.authorization import catalog
from sandbox.aws.authorization.patterns import any_of
from tests.granted import COMMANDS, ELSEWHERE, GRANTED, POLICIES, STATEMENTS

LARGEST_MANAGED_POLICY = 6144


def test_what_pages_tell_to_type_is_granted() -> None:
    """Somebody who types it is in trouble already and must not be refused."""
    assert {action for action in COMMANDS if not any_of(GRANTED).fullmatch(action)} == set()


def test_each_action_is_one_of_awss() -> None:
    """A misspelled action grants nothing, and nothing reports it."""
    named = {action for action in (*GRANTED, *set().union(*ELSEWHERE.values())) if "*" not in action}
    assert {action for action in named if catalog.kinds(action) is None} == set()


def test_what_changes_or_removes_is_bounded_by_name_or_tag() -> None:
    """Other things in the account are out of reach. Creation in EC2 is not limited: no tag exists yet."""
    free = [one for one in STATEMENTS if one["Resource"] == "*" and "Condition" not in one]
    assert [one["Sid"] for one in free] == [
        "LookAtTheAccount",
        "MakeNetworkAndHost",
        "UseTheChannelOfASession",
    ]
    look, make, _channel = free
    assert [one for one in look["Action"] if not re.match(r"\w+:(Describe|List|Get|Simulate)", one)] == []
    making = re.compile(
        r"ec2:(AllocateAddress|AssociateAddress|Create(?!Tags)\w+|ImportKeyPair|RunInstances)"
    )
    assert [one for one in make["Action"] if not making.fullmatch(one)] == []


def test_each_file_fits_into_a_managed_policy() -> None:
    """IAM accepts 6144 characters, not counting white space; `aws iam create-policy` refuses more."""
    for policy in POLICIES.values():
        assert len(re.sub(r"\s", "", json.dumps(policy))) <= LARGEST_MANAGED_POLICY
