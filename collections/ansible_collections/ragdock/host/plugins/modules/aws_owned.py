#!/usr/bin/python
"""Lists everything in AWS that belongs to one deployment, however it was created."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_owned
short_description: List everything in AWS that belongs to one deployment
description:
  - Lists in each service what has the deployment's tag, path or name prefix, and the tagging
    API for whatever else carries the tag. Changes nothing.
options:
  name: {description: The deployment's name., type: str, required: true}
  bucket: {description: The backup bucket; empty for none., type: str, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: List everything that belongs to the deployment
  ragdock.host.aws_owned:
    name: research
"""

RETURN = r"""
owned: {description: Kind and id of each., type: list, elements: dict, returned: always}
"""

from contextlib import suppress
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.read_model_host import (
    role_names,
    schedule_names,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_services import or_none
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError


class Kind(NamedTuple):
    """How EC2 lists one kind of resource."""

    kind: str
    operation: str
    answer: str
    key: str


EC2_KINDS = (
    Kind("volume", "describe_volumes", "Volumes", "VolumeId"),
    Kind("address", "describe_addresses", "Addresses", "AllocationId"),
    Kind("key pair", "describe_key_pairs", "KeyPairs", "KeyName"),
    Kind("endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    Kind("firewall", "describe_security_groups", "SecurityGroups", "GroupId"),
    Kind("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    Kind("subnet", "describe_subnets", "Subnets", "SubnetId"),
    Kind("gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    Kind("network", "describe_vpcs", "Vpcs", "VpcId"),
)
# Kinds that the tagging API would list a second time, some of them long after they are gone.
ASKED_ABOVE = ("arn:aws:ec2:", "arn:aws:s3:", "arn:aws:ssm:", "arn:aws:sns:", "arn:aws:iam:")


def owned(kind: str, identifier: str, detail: str = "") -> dict[str, str]:
    """One line of the list."""
    return {"kind": kind, "id": identifier, "detail": detail}


def in_ec2(ec2: Any, name: str) -> list[dict[str, str]]:
    """Hosts, disks and network."""
    mine = [{"Name": "tag:ragdock:name", "Values": [name]}]
    alive = {
        "Name": "instance-state-name",
        "Values": ["pending", "running", "stopping", "stopped", "shutting-down"],
    }
    groups = ec2.describe_instances(Filters=[*mine, alive])["Reservations"]
    found = [
        owned("host", item["InstanceId"], f"{item['InstanceType']}, {item['State']['Name']}")
        for group in groups
        for item in group["Instances"]
    ]
    for kind in EC2_KINDS:
        for item in getattr(ec2, kind.operation)(Filters=mine)[kind.answer]:
            with_host = any(
                disk.get("DeleteOnTermination") for disk in item.get("Attachments", []) if "Size" in item
            )
            if str(item.get("State", "")).lower() not in ("deleted", "deleting") and not with_host:
                detail = f"{item['Size']} GiB" if "Size" in item else str(item.get("PublicIp", ""))
                found.append(owned(kind.kind, item[kind.key], detail))
    for item in ec2.describe_snapshots(Filters=mine, OwnerIds=["self"])["Snapshots"]:
        found.append(
            owned("snapshot", item["SnapshotId"], f"{item['VolumeSize']} GiB, {item['StartTime']:%Y-%m-%d}")
        )
    return found


def elsewhere(client: Any, name: str, bucket: str) -> list[dict[str, str]]:
    """Registry, secrets, identity, storage and alarms."""
    found = []
    for page in client("ecr").get_paginator("describe_repositories").paginate():
        names = [item["repositoryName"] for item in page["repositories"]]
        found += [owned("repository", item) for item in names if item.startswith(f"ragdock/{name}/")]
    path = f"/ragdock/{name}/"
    for page in (
        client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path, WithDecryption=False)
    ):
        found += [
            owned("parameter", item["Name"]) for item in page["Parameters"] if item["Name"] != f"{path}lock"
        ]
    for page in client("iam").get_paginator("list_roles").paginate():
        found += [
            owned("role", item["RoleName"])
            for item in page["Roles"]
            if item["RoleName"] in (f"ragdock-{name}-host", *role_names(name))
        ]
    for page in client("sns").get_paginator("list_topics").paginate():
        arns = [item["TopicArn"] for item in page["Topics"]]
        found += [owned("topic", arn) for arn in arns if arn.rpartition(":")[2] == f"ragdock-{name}"]
    scheduler = client("scheduler")
    for called in schedule_names(name).values():
        if or_none(scheduler.get_schedule, ("ResourceNotFoundException",), Name=called):
            found.append(owned("schedule", called))
    for alarm in client("cloudwatch").describe_alarms(AlarmNamePrefix=f"ragdock-{name}-")["MetricAlarms"]:
        found.append(owned("alarm", alarm["AlarmName"]))
    if bucket and bucket in [item["Name"] for item in client("s3").list_buckets()["Buckets"]]:
        found.append(owned("bucket", bucket))
    return found


def tagged(client: Any, name: str) -> list[dict[str, str]]:
    """Other resources with the tag: unexpected ones, and ours under another name."""
    pages = (
        client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": "ragdock:name", "Values": [name]}])
    )
    arns = [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]
    found = [named(arn) for arn in arns if not arn.startswith(ASKED_ABOVE)]
    return [item for item in found if still_there(client, item)]


def named(arn: str) -> dict[str, str]:
    """A resource with the name that the lists above and the modules use for it."""
    _unused, _unused, service, _unused, _unused, resource = arn.split(":", 5)
    if service == "ecr":
        return owned("repository", resource.removeprefix("repository/"))
    if service == "cloudwatch" and resource.startswith("alarm:"):
        return owned("alarm", resource.removeprefix("alarm:"))
    return owned("other", arn)


def still_there(client: Any, item: dict[str, str]) -> bool:
    """Whether the service itself has it: the tagging API lists some for a while after they are gone."""
    if item["kind"] == "alarm":
        return bool(client("cloudwatch").describe_alarms(AlarmNames=[item["id"]])["MetricAlarms"])
    if item["kind"] == "repository":
        try:
            client("ecr").describe_repositories(repositoryNames=[item["id"]])
        except ClientError as error:
            if error.response["Error"]["Code"] != "RepositoryNotFoundException":
                raise
            return False
    return True


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "bucket": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    client, name = clients(), module.params["name"]
    try:
        found = in_ec2(client("ec2"), name) + elsewhere(client, name, module.params["bucket"])
        known = {item["id"] for item in found}
        found += [item for item in tagged(client, name) if item["id"] not in known]
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"AWS could not list what belongs to '{name}': {error}. Nothing was changed. "
            "Compare your rights with docs/policies/operator.json and run again."
        )
    module.exit_json(changed=False, owned=found)


if __name__ == "__main__":
    main()
