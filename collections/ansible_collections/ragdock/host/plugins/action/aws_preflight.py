"""Action: checks against AWS whether this run may start."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.ragdock.host.plugins.module_utils.aws import session_tools
from ansible_collections.ragdock.host.plugins.module_utils.aws.credentials import (
    ATTEMPTS,
    account_of,
    session_of,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.limits import (
    assert_plan,
    assert_room,
    quotas_of,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.machine import (
    graphics_of,
    image_of,
    memory_of,
    needed_mib,
    root_device_of,
    type_of,
    zones_of,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_ec2 import ALIVE, MODELS, of_host
from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import quick
from ansible_collections.ragdock.host.plugins.plugin_utils.controller import ControllerAction

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

MODEL_HOST = "ragdock_model_host_type"


def identity_of(ec2: Any, params: dict[str, Any]) -> tuple[str, bool]:
    """The deployment's id and whether it exists; a name that another checkout uses is refused."""
    name, known = params["name"], params["known_id"]
    networks = ec2.describe_vpcs(Filters=[{"Name": "tag:ragdock:name", "Values": [name]}])["Vpcs"]
    if not networks:
        return known or secrets.token_hex(6), False
    tags = {tag["Key"]: tag["Value"] for tag in networks[0]["Tags"]}
    found = tags.get("ragdock:deployment", "")
    if found == known or params["adopt"]:
        return found, True
    raise RefusalError(
        f"The name '{name}' is used by another deployment in this account and region "
        f"(id {found or 'unknown'}, network {networks[0]['VpcId']}; this checkout knows {known or 'none'}). "
        "Choose another ragdock_name. "
        f"If it is yours, copy .ragdock/{name}/ (it has the SSH key) from the checkout that made it, "
        "then run with -e adopt=true."
    )


def zone_of(route53: Any, domain: str) -> str:
    """The hosted zone of the domain: the one with the longest matching name."""
    pages = route53.get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"] if not zone["Config"].get("PrivateZone")]
    fitting = [zone for zone in zones if f".{domain}.".endswith(f".{zone['Name']}")]
    if not fitting:
        names = ", ".join(zone["Name"].rstrip(".") for zone in zones) or "none"
        raise RefusalError(
            f"ragdock_domain is '{domain}', but no public Route 53 zone of this account contains it "
            f"(zones: {names}). Make the zone first (docs/operate/aws.md), or leave ragdock_domain empty."
        )
    return str(max(fitting, key=lambda zone: len(zone["Name"]))["Id"].rpartition("/")[2])


def hosts_of(ec2: Any, name: str) -> list[dict[str, Any]]:
    """The deployment's hosts that are not terminated."""
    filters = [
        {"Name": "tag:ragdock:name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ALIVE},
    ]
    found = ec2.describe_instances(Filters=filters)["Reservations"]
    return [host for reservation in found for host in reservation["Instances"]]


def addressed(host: dict[str, Any]) -> dict[str, Any]:
    """What the inventory needs to know of a host."""
    return {
        "instance_id": host["InstanceId"],
        "state": host["State"]["Name"],
        "private_ip": host.get("PrivateIpAddress", ""),
        "public_ip": host.get("PublicIpAddress", ""),
        "volumes": {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in host.get("BlockDeviceMappings", [])},
    }


class Checks:
    """The checks that need an account; each returns what it found."""

    def __init__(self, session: Any, params: dict[str, Any]) -> None:
        self.session = session
        self.params = params
        self.ec2 = self.client("ec2")

    def client(self, service: str) -> Any:
        """A client of a service."""
        return self.session.client(service, config=quick(ATTEMPTS))

    def hosts(self) -> dict[str, Any]:
        """The types, the zones that offer them, and the account's room for hosts not launched yet."""
        kind, region, name = self.params["instance_type"], self.params["region"], self.params["name"]
        limits, reserve = self.params["memory_limits"], self.params["reserve_mib"]
        found = type_of(self.ec2, kind, region)
        facts = {
            "memory_mib": memory_of(found, limits, reserve),
            "processors": int(found["VCpuInfo"]["DefaultVCpus"]),
            "zones": zones_of(self.ec2, kind, region),
            "quotas": [],
            "plan": "",
            "model_host_graphics": "",
        }
        hosts = hosts_of(self.ec2, name)
        main = of_host(hosts)
        facts["running"] = [addressed(one) for one in main if one["State"]["Name"] == "running"]
        facts["model_hosts"] = [addressed(one) for one in of_host(hosts, MODELS)]
        new = []
        if not main:
            facts["plan"] = assert_plan(self.session, self.ec2, found, needed_mib(limits, reserve))
            new.append(found)
        if self.params["model_host_type"]:
            new += self.model_host(facts)
        if new:
            quotas = quotas_of(self.client, name, new)
            assert_room(quotas, region)
            facts["quotas"] = [{"what": one.what, "figure": one.figure} for one in quotas]
        return facts

    def model_host(self, facts: dict[str, Any]) -> list[dict[str, Any]]:
        """Add the facts of the model host's type; return the type if the model host is not launched yet."""
        kind, region = self.params["model_host_type"], self.params["region"]
        found = type_of(self.ec2, kind, region, MODEL_HOST)
        facts["model_host_graphics"] = graphics_of(found, MODEL_HOST)
        offered = zones_of(self.ec2, kind, region, MODEL_HOST)
        both = [zone for zone in facts["zones"] if zone in offered]
        if not both:
            raise RefusalError(
                f"No zone of {region} offers both ragdock_instance_type {self.params['instance_type']} "
                f"({', '.join(facts['zones'])}) and {MODEL_HOST} {kind} ({', '.join(offered)}), and both "
                "hosts are in one subnet. Choose another type for one of them."
            )
        facts["zones"] = both
        if facts["model_hosts"]:
            return []
        facts["plan"] = assert_plan(self.session, self.ec2, found, 0, MODEL_HOST) or facts["plan"]
        return [found]

    def image(self) -> dict[str, Any]:
        """The image and its root device."""
        region = self.params["region"]
        image = image_of(self.client("ssm"), self.params["ami_id"], self.params["ami_parameter"], region)
        root = root_device_of(self.ec2, image, self.params["root_gib"], region)
        return {"ami_id": image, "root_device": root}

    def identity(self) -> dict[str, Any]:
        """The deployment's id."""
        found, exists = identity_of(self.ec2, self.params)
        return {"deployment_id": found, "exists": exists}

    def zone(self) -> dict[str, Any]:
        """The domain's zone in Route 53."""
        domain = self.params["domain"]
        return {"zone_id": zone_of(self.client("route53"), domain) if domain else ""}


def examine(params: dict[str, Any]) -> dict[str, Any]:
    """Run every check; raise one refusal that lists all problems."""
    with ThreadPoolExecutor() as beside:
        tools = beside.submit(session_tools.problems, params["cli_folder"]) if params["connects"] else None
        try:
            facts = examine_account(params)
            problems = []
        except RefusalError as refusal:
            problems = [str(refusal)]
        missing = tools.result() if tools else []
    problems += [*missing, session_tools.WHY] if missing else []
    if problems:
        raise RefusalError("\n".join(problems))
    return facts


def examine_account(params: dict[str, Any]) -> dict[str, Any]:
    """Run the checks against AWS; raise one refusal that lists all problems."""
    session = session_of(params["region"])
    account, caller = account_of(session, params["account"])
    facts: dict[str, Any] = {"account": account, "caller": caller}
    checks = Checks(session, params)
    problems = []
    for check in (checks.hosts, checks.image, checks.identity, checks.zone):
        try:
            facts |= check()
        except RefusalError as refusal:
            problems.append(str(refusal))
        except (BotoCoreError, ClientError) as error:
            problems.append(
                f"AWS refused a question ({error}). Compare your rights with docs/policies/operator.json."
            )
    if problems:
        raise RefusalError("\n".join(problems))
    return facts


class ActionModule(ControllerAction):
    """Runs every check."""

    ARGUMENTS: ClassVar[dict[str, dict[str, Any]]] = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str", "required": True},
        "account": {"type": "str", "default": ""},
        "known_id": {"type": "str", "default": ""},
        "adopt": {"type": "bool", "default": False},
        "instance_type": {"type": "str", "required": True},
        "model_host_type": {"type": "str", "default": ""},
        "memory_limits": {"type": "dict", "required": True},
        "reserve_mib": {"type": "int", "required": True},
        "root_gib": {"type": "int", "required": True},
        "ami_id": {"type": "str", "default": ""},
        "ami_parameter": {"type": "str", "required": True},
        "domain": {"type": "str", "default": ""},
        "connects": {"type": "bool", "default": False},
        "cli_folder": {"type": "str", "default": ""},
    }

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return what the checks found."""
        try:
            return {"changed": False, **examine(params)}
        except RefusalError as refusal:
            raise AnsibleActionFail(f"{refusal}\nNothing was changed.") from None
