"""Reads the model host of one deployment: its security group, roles, instance and hours."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.read_ec2 import (
    MODELS,
    Found,
    firewall_of,
    instance_of,
    of_host,
    only,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_services import identity, or_none

RESOURCES = (
    "model_firewall",
    "model_role",
    "model_profile",
    "model_rights",
    "model_instance",
    "model_hours_role",
    "model_hours_rights",
    "model_start",
    "model_stop",
)


def role_names(name: str) -> tuple[str, str]:
    """The role of the model host, and the one that starts and stops it.

    A deployment's name has no underscore, so these never clash with another deployment's role.
    """
    return f"ragdock-{name}_models-host", f"ragdock-{name}_hours-host"


def schedule_names(name: str) -> dict[str, str]:
    """Resource -> name of the schedule."""
    return {f"model_{verb}": f"ragdock-{name}_models-{verb}" for verb in ("start", "stop")}


def model_host(client: Any, name: str, *, wanted: bool) -> dict[str, Found]:
    """Everything of the model host. If none is wanted and none exists, only EC2 is queried."""
    found: dict[str, Found] = dict.fromkeys(RESOURCES)
    ec2 = client("ec2")
    groups = of_host(ec2.describe_security_groups(Filters=_mine(name))["SecurityGroups"], MODELS)
    group = only(groups, "model host's firewall")
    instance = instance_of(ec2, name, MODELS)
    if not (wanted or group or instance):
        return found
    if group:
        found["model_firewall"] = firewall_of(group, _names(ec2, group))
    found["model_instance"] = instance
    iam = client("iam")
    host_role, hours_role = role_names(name)
    for prefix, role in (("model_", host_role), ("model_hours_", hours_role)):
        found |= {prefix + key: one for key, one in identity(iam, role, "host").items()}
    del found["model_hours_profile"]
    return found | hours(client("scheduler"), name, (instance or {}).get("id", ""))


def hours(scheduler: Any, name: str, instance: str) -> dict[str, Found]:
    """The two schedules, and whether each one is for this instance."""
    found: dict[str, Found] = {}
    for key, called in schedule_names(name).items():
        answer = or_none(scheduler.get_schedule, ("ResourceNotFoundException",), Name=called)
        found[key] = answer and {
            "id": called,
            "expression": answer["ScheduleExpression"],
            "timezone": answer.get("ScheduleExpressionTimezone", "UTC"),
            "enabled": answer["State"] == "ENABLED",
            "target": answer["Target"]["Arn"],
            "role": answer["Target"]["RoleArn"].rpartition("/")[2],
            "of_host": json.loads(answer["Target"]["Input"]) == {"InstanceIds": [instance]},
        }
    return found


def _mine(name: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:ragdock:name", "Values": [name]}]


def _names(ec2: Any, group: dict[str, Any]) -> dict[str, str]:
    """Id -> name of the network's security groups: rules refer to groups by id, which no setting knows."""
    network = [{"Name": "vpc-id", "Values": [group["VpcId"]]}]
    listed = ec2.describe_security_groups(Filters=network)["SecurityGroups"]
    return {one["GroupId"]: one["GroupName"] for one in listed}
