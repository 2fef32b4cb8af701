"""The permissions that an EC2 operation needs: one for each resource that it names or creates."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws.authorization import catalog
from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.rights import Right, tags

IDENTIFIER = re.compile(r"([a-z]+(?:-[a-z]+)*)-[0-9a-f]{8,17}")
# Prefix of an identifier -> the resource type, as IAM calls it.
TYPES = {
    "ami": "image",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
# Parameters whose identifiers do not name a resource that the operation works on.
ELSEWHERE = frozenset({"ClientToken", "Filters", "Tags", "TagSpecifications", "UserData"})
PASSING = frozenset({"RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation"})
COMPUTE = "ec2.amazonaws.com"


def rights(call: Call, account: Account) -> Iterator[Right]:
    """Yield the permissions that AWS checks before it carries out CALL."""
    parameters = call.parameters
    made = {one["ResourceType"]: tags(one.get("Tags")) for one in parameters.get("TagSpecifications") or []}
    asked = list(_asked(call, account, made))
    yield from asked or [Right(call.action, "*")]
    for kind, wanted in made.items():
        arn = _arn(kind, "*", account)
        keys = {"ec2:CreateAction": call.operation}
        yield Right("ec2:CreateTags", arn, request_tags=wanted, keys=keys)
    if call.operation in PASSING and (profile := parameters.get("IamInstanceProfile")):
        role = account.role_of(profile.get("Name") or profile.get("Arn") or "")
        keys = {"iam:PassedToService": COMPUTE}
        yield Right("iam:PassRole", role or f"arn:aws:iam::{account.number}:role/*", keys=keys)


def _asked(call: Call, account: Account, made: Mapping[str, Mapping[str, str]]) -> Iterator[Right]:
    named = _named(call.parameters, account)
    given = tags(call.parameters.get("Tags"))
    keys = {"ec2:InstanceType": str(value)} if (value := call.parameters.get("InstanceType")) else {}
    for kind in catalog.kinds(call.action) or ():
        # A resource that is created has no name yet. Every launch also creates a volume.
        new = kind.required or (call.operation, kind.name) == ("RunInstances", "volume")
        for name in named.get(kind.name) or (["*"] if new else []):
            yield Right(
                call.action,
                kind.of(name, account.region, account.number),
                tags=account.ec2_tags(name),
                request_tags=given or made.get(kind.name, {}),
                keys=keys,
            )


def _arn(kind: str, name: str, account: Account) -> str:
    return catalog.kind("ec2", kind).of(name, account.region, account.number)


def _named(parameters: Mapping[str, Any], account: Account) -> Mapping[str, list[str]]:
    """Return the resources that a request names, by type."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, text in _texts(parameters):
        if key == "KeyName":
            found["key-pair"].append(text)
        elif key == "PublicIp":
            found["elastic-ip"].append(account.address(text))
        elif match := IDENTIFIER.fullmatch(text):
            _identified(match[1], text, account, found)
    return {kind: list(dict.fromkeys(names)) for kind, names in found.items()}


def _identified(prefix: str, text: str, account: Account, found: defaultdict[str, list[str]]) -> None:
    if prefix == "eipassoc":
        found["elastic-ip"].append(account.address(text))
    elif prefix == "rtbassoc" and (both := account.route_table(text)):
        found["route-table"].append(both[0])
        found["subnet"].append(both[1])
    elif prefix == "iip-assoc" and (instance := account.profiled(text)):
        found["instance"].append(instance)
    elif prefix == "key":
        found["key-pair"].append(account.key_name(text))
    elif prefix in TYPES:
        found[TYPES[prefix]].append(text)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in a request's parameters, with the name of its parameter."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ELSEWHERE:
                yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value
