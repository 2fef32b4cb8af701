"""The operator's rights are what the playbooks ask of AWS: nothing is missing, nothing is for no one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import xform_name

from tests.unit.aws import iam
from tests.unit.role_files import PLUGINS, ROLES

POLICY: dict[str, Any] = json.loads((ROLES.parent / "docs/policies/operator.json").read_text())
STATEMENTS = iam.statements(POLICY)
GRANTED = [action for statement in STATEMENTS for action in statement["Action"]]
CALLS = yaml.safe_load(Path(__file__).with_name("calls.yml").read_text())
MODULE = re.compile(r"^\s+((?:amazon|community)\.aws\.\w+):", re.MULTILINE)
# Programs that run on the host alone, with its own role's rights.
HOSTS_OWN = {
    "module_utils/backup/collect.py",
    "module_utils/backup/retention.py",
    "module_utils/jobs.py",
    "module_utils/registry.py",
    "modules/patch_volumes.py",
}
OWN_CODE = {
    name: found
    for path in sorted(PLUGINS.rglob("*.py"))
    if (name := str(path.relative_to(PLUGINS))) not in HOSTS_OWN and (found := iam.asked_by(path))
}


def operation_of(command: str) -> str:
    """The operation of a command of the AWS CLI."""
    return "".join(word.capitalize() for word in command.split("-"))


# Commands that pages and messages tell the operator to type.
COMMAND = re.compile(r"\baws (ec2|ecr|s3api|sns|ssm|cloudwatch) ([a-z]+(?:-[a-z]+)+)")
TOLD = {
    f"{service}:{operation_of(command)}"
    for path in [*ROLES.rglob("*"), *PLUGINS.rglob("*"), *(ROLES.parent / "docs").rglob("*.md")]
    if path.suffix in (".md", ".j2", ".py", ".yml")
    for service, command in COMMAND.findall(path.read_text())
    if not command.startswith(("instance-", "volume-"))
}
LARGEST_MANAGED_POLICY = 6144


def asked() -> set[str]:
    """Every action that something of ours asks for."""
    modules = {action for module in CALLS["modules"] for action in needed_by(module)}
    return modules.union(*OWN_CODE.values(), CALLS["elsewhere"], TOLD)


def needed_by(module: str) -> set[str]:
    """The rights that a module of AWS needs, when all is new and when something was changed by hand."""
    calls = CALLS["modules"][module] + CALLS["repairs"].get(module, [])
    return {action for one in calls for action in iam.actions(one)}


def test_every_module_of_aws_is_in_the_table() -> None:
    """A new module brings calls of its own: record them, grant them."""
    used = {name for path in ROLES.rglob("tasks/*.yml") for name in MODULE.findall(path.read_text())}
    assert used == set(CALLS["modules"])


@pytest.mark.parametrize("module", CALLS["modules"])
def test_what_a_module_calls_is_granted(module: str) -> None:
    """Else a run stops half-way, at the module that no one had tried with these rights."""
    assert {action for action in needed_by(module) if not iam.covers(GRANTED, action)} == set()


@pytest.mark.parametrize("module", CALLS["modules"])
def test_the_table_names_calls_that_the_module_knows(module: str) -> None:
    """Checked against the collections that are installed: a call that they have dropped is no reason."""
    words = iam.words_of(module)
    calls = CALLS["modules"][module] + CALLS["repairs"].get(module, [])
    assert [one for one in calls if xform_name(one.split(":")[1]) not in words] == []


@pytest.mark.parametrize("path", OWN_CODE)
def test_what_our_own_code_calls_is_granted(path: str) -> None:
    """Read from the code, so a call that is added is seen."""
    assert {action for action in OWN_CODE[path] if not iam.covers(GRANTED, action)} == set()


@pytest.mark.parametrize("action", CALLS["elsewhere"])
def test_what_other_programs_call_is_granted(action: str) -> None:
    """The registry's client, the AWS CLI, and rights that a call needs besides its own."""
    assert iam.covers(GRANTED, action)


@pytest.mark.parametrize("action", sorted(TOLD))
def test_what_pages_tell_to_type_is_granted(action: str) -> None:
    """Someone in trouble types it, and must not be refused then."""
    assert iam.covers(GRANTED, action)


@pytest.mark.parametrize("granted", GRANTED)
def test_nothing_is_granted_for_nobody(granted: str) -> None:
    """A right without a use is a danger without a reason."""
    assert any(iam.covers([granted], action) for action in asked())


def test_what_changes_or_removes_is_bounded_by_name_or_tag() -> None:
    """Other things in the account are out of reach. Making in EC2 is not bounded: no tag is there yet."""
    free = [one for one in STATEMENTS if one["Resource"] == ["*"] and "Condition" not in one]
    assert [one["Sid"] for one in free] == ["LookAtTheAccount", "MakeNetworkAndHost"]
    look, make = free
    looking = re.compile(r"\w+:(Describe|List|Get|Simulate)")
    assert [action for action in look["Action"] if not looking.match(action)] == []
    making = re.compile(
        r"ec2:(Allocate|Associate|Attach|Authorize|Create|Import|Modify(Subnet|Vpc)Attribute|Run)"
    )
    assert [action for action in make["Action"] if not making.match(action)] == []


def test_the_file_fits_into_a_managed_policy() -> None:
    """IAM takes 6144 characters, white space not counted; `aws iam create-policy` refuses more."""
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= LARGEST_MANAGED_POLICY
