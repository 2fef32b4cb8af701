"""Reads the network and the host of one deployment, found by their tag."""

from __future__ import annotations

from typing import Any, TypeAlias

Found: TypeAlias = "dict[str, Any] | None"
ALIVE = ["pending", "running", "stopping", "stopped"]
# Tag of the model host and of what belongs to it; the main host does not have it.
HOST_TAG = "ragdock:host"
MODELS = "models"


def tags_of(resource: dict[str, Any], key: str = "Tags") -> dict[str, str]:
    """AWS's list of tags as a dictionary."""
    return {tag["Key"]: tag["Value"] for tag in resource.get(key) or []}


def of_host(resources: list[dict[str, Any]], which: str = "") -> list[dict[str, Any]]:
    """The resources of the main host, or of the host WHICH."""
    return [one for one in resources if tags_of(one).get(HOST_TAG, "") == which]


def only(resources: list[dict[str, Any]], what: str) -> dict[str, Any] | None:
    """The one resource, or None. Refuses several, since every later step would have to guess."""
    if len(resources) > 1:
        ids = ", ".join(
            sorted(str(value) for item in resources for key, value in item.items() if key.endswith("Id"))
        )
        raise LookupError(
            f"{len(resources)} resources are tagged as this deployment's {what} ({ids}), one was expected"
        )
    return resources[0] if resources else None


def _id(resource: Found, key: str) -> str:
    """The id of a resource; for a missing one, a word that is never an id."""
    return str(resource[key]) if resource else "absent"


def _rules(permissions: list[dict[str, Any]], names: dict[str, str]) -> list[str]:
    """Firewall rules as text: 'tcp 443 0.0.0.0/0', 'all 0.0.0.0/0'. NAMES are those of groups by id."""
    rules = []
    for rule in permissions:
        sources = [item["CidrIp"] for item in rule.get("IpRanges", [])]
        sources += [item["CidrIpv6"] for item in rule.get("Ipv6Ranges", [])]
        groups = [item["GroupId"] for item in rule.get("UserIdGroupPairs", [])]
        sources += [names.get(group, group) for group in groups]
        sources += [item["PrefixListId"] for item in rule.get("PrefixListIds", [])]
        protocol = "all" if rule["IpProtocol"] == "-1" else rule["IpProtocol"]
        ports = "" if protocol == "all" else str(rule["FromPort"])
        if protocol != "all" and rule["FromPort"] != rule["ToPort"]:
            ports = f"{rule['FromPort']}-{rule['ToPort']}"
        rules += [" ".join(filter(None, (protocol, ports, source))) for source in sources]
    return rules


def firewall_of(group: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A security group's rules; NAMES are those of other groups by id."""
    return {
        "id": group["GroupId"],
        "inward": _rules(group["IpPermissions"], names),
        "outward": _rules(group["IpPermissionsEgress"], names),
        "tags": tags_of(group),
    }


def network(ec2: Any, name: str) -> dict[str, Found]:
    """VPC, gateway, subnet, routes, firewall, S3 endpoint and address."""
    mine = [{"Name": "tag:ragdock:name", "Values": [name]}]
    vpc = only(ec2.describe_vpcs(Filters=mine)["Vpcs"], "network")
    gateway = only(ec2.describe_internet_gateways(Filters=mine)["InternetGateways"], "internet gateway")
    subnet = only(ec2.describe_subnets(Filters=mine)["Subnets"], "subnet")
    table = only(ec2.describe_route_tables(Filters=mine)["RouteTables"], "route table")
    group = only(of_host(ec2.describe_security_groups(Filters=mine)["SecurityGroups"]), "firewall")
    endpoints = ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
    endpoint = only([item for item in endpoints if item["State"].lower() != "deleted"], "S3 endpoint")
    address = only(ec2.describe_addresses(Filters=mine)["Addresses"], "address")
    found: dict[str, Found] = dict.fromkeys(
        ("vpc", "gateway", "subnet", "routes", "firewall", "s3_endpoint", "address")
    )
    if vpc:
        hostnames = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
        found["vpc"] = {
            "id": vpc["VpcId"],
            "cidr": vpc["CidrBlock"],
            "dns_hostnames": hostnames["EnableDnsHostnames"]["Value"],
            "tags": tags_of(vpc),
        }
    if gateway:
        networks = [item["VpcId"] for item in gateway.get("Attachments", [])]
        found["gateway"] = {
            "id": gateway["InternetGatewayId"],
            "attached": _id(vpc, "VpcId") in networks,
            "tags": tags_of(gateway),
        }
    if subnet:
        found["subnet"] = {
            "id": subnet["SubnetId"],
            "cidr": subnet["CidrBlock"],
            "zone": subnet["AvailabilityZone"],
            "public_by_default": subnet["MapPublicIpOnLaunch"],
            "tags": tags_of(subnet),
        }
    if table:
        targets = {route.get("DestinationCidrBlock"): route.get("GatewayId") for route in table["Routes"]}
        subnets = [item.get("SubnetId") for item in table["Associations"]]
        found["routes"] = {
            "id": table["RouteTableId"],
            "to_internet": targets.get("0.0.0.0/0") == _id(gateway, "InternetGatewayId"),
            "for_subnet": _id(subnet, "SubnetId") in subnets,
            "tags": tags_of(table),
        }
    if group:
        found["firewall"] = firewall_of(group, {})
    if endpoint:
        found["s3_endpoint"] = {
            "id": endpoint["VpcEndpointId"],
            "service": endpoint["ServiceName"],
            "routed": _id(table, "RouteTableId") in endpoint.get("RouteTableIds", []),
            "tags": tags_of(endpoint),
        }
    if address:
        found["address"] = {
            "id": address["AllocationId"],
            "ip": address["PublicIp"],
            "instance": address.get("InstanceId") or "",
            "tags": tags_of(address),
        }
    return found


def host(ec2: Any, name: str) -> dict[str, Found]:
    """Instance, data volume, and the association of the address with the instance."""
    mine = [{"Name": "tag:ragdock:name", "Values": [name]}]
    found: dict[str, Found] = dict.fromkeys(("instance", "data_volume", "ingress"))
    instance = found["instance"] = instance_of(ec2, name)
    if instance:
        addresses = ec2.describe_addresses(Filters=mine)["Addresses"]
        here = [item["PublicIp"] for item in addresses if item.get("InstanceId") == instance["id"]]
        found["ingress"] = {"id": here[0], "open": True} if here else None
    volumes = ec2.describe_volumes(Filters=[*mine, {"Name": "tag:ragdock:volume", "Values": ["data"]}])[
        "Volumes"
    ]
    volume = only(volumes, "data volume")
    if volume:
        attached = volume.get("Attachments") or [{}]
        found["data_volume"] = {
            "id": volume["VolumeId"],
            "size": volume["Size"],
            "type": volume["VolumeType"],
            "encrypted": volume["Encrypted"],
            "zone": volume["AvailabilityZone"],
            "attached": attached[0].get("InstanceId") == _id(instance, "id"),
            "kept": not attached[0].get("DeleteOnTermination", False),
            "modification": _modification(ec2, volume["VolumeId"]),
            "tags": tags_of(volume),
        }
    return found


def _modification(ec2: Any, volume: str) -> dict[str, Any]:
    """Whether the last change of the volume is in progress; until it ends, AWS allows no other change."""
    filters = [{"Name": "volume-id", "Values": [volume]}]
    changes = ec2.describe_volumes_modifications(Filters=filters)["VolumesModifications"]
    going_on = [one for one in changes if one["ModificationState"] in ("modifying", "optimizing")]
    return {
        "in_progress": bool(going_on),
        "progress": going_on[0].get("Progress", 0) if going_on else 100,
        "since": f"{going_on[0]['StartTime']:%Y-%m-%dT%H:%M:%SZ}" if going_on else "",
    }


def instance_of(ec2: Any, name: str, which: str = "") -> Found:
    """The main host's instance, or another host's."""
    filters = [
        {"Name": "tag:ragdock:name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ALIVE},
    ]
    groups = ec2.describe_instances(Filters=filters)["Reservations"]
    listed = [item for group in groups for item in group["Instances"]]
    instance = only(of_host(listed, which), f"{which or 'main'} host")
    return _instance(ec2, instance) if instance else None


def _instance(ec2: Any, instance: dict[str, Any]) -> dict[str, Any]:
    protection = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="disableApiTermination"
    )
    metadata = instance.get("MetadataOptions", {})
    return {
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "type": instance["InstanceType"],
        "image": instance["ImageId"],
        "zone": instance["Placement"]["AvailabilityZone"],
        "private_ip": instance.get("PrivateIpAddress", ""),
        "public_ip": instance.get("PublicIpAddress", ""),
        "profile": instance.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
        "firewall": [group["GroupName"] for group in instance.get("SecurityGroups", [])],
        "tokens": metadata.get("HttpTokens"),
        "hops": metadata.get("HttpPutResponseHopLimit"),
        "monitoring": instance.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        "protected": protection["DisableApiTermination"]["Value"],
        "tags": tags_of(instance),
    }
