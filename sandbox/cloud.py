"""Reads the state of the AWS APIs into plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from sandbox.settings import Sandbox

Network: TypeAlias = IPv4Network | IPv6Network
ROOT_DEVICES = frozenset({"/dev/sda1", "/dev/xvda"})
LIVE = frozenset({"pending", "running", "stopping", "stopped"})


class Frozen(BaseModel):
    """Base class of immutable values."""

    model_config = ConfigDict(frozen=True)


class Instance(Frozen):
    """An EC2 instance."""

    id: str
    state: str
    subnet_id: str
    private_ip: str
    image_id: str
    type: str
    zone: str
    key_name: str = ""
    profile_arn: str = ""
    public_ip: str = ""
    shutdown: str = "stop"
    tokens: str = "optional"
    hop_limit: int = 1
    groups: tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    root_volumes: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}

    @property
    def live(self) -> bool:
        """Return whether the instance has a machine, running or not."""
        return self.state in LIVE and bool(self.subnet_id)


class Volume(Frozen):
    """An EBS volume."""

    id: str
    gib: int
    snapshot_id: str = ""


class Snapshot(Frozen):
    """An EBS snapshot."""

    id: str
    volume_id: str


class Subnet(Frozen):
    """A subnet."""

    id: str
    cidr: str


class Address(Frozen):
    """An Elastic IP and the instance it belongs to."""

    public_ip: str
    instance_id: str = ""


class Rule(Frozen):
    """A rule of a security group: TCP ports that it opens to an address range."""

    low: int
    high: int
    source: Network


class Group(Frozen):
    """A security group and its rules for TCP."""

    id: str
    rules: tuple[Rule, ...]

    def sources(self, port: int) -> frozenset[Network]:
        """Return the address ranges that may reach a port."""
        return frozenset(rule.source for rule in self.rules if rule.low <= port <= rule.high)


class Cloud(Frozen):
    """Everything that the host loop acts on, at one point in time."""

    instances: tuple[Instance, ...] = ()
    volumes: tuple[Volume, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    subnets: Mapping[str, Subnet] = {}
    addresses: tuple[Address, ...] = ()
    groups: Mapping[str, Group] = {}
    # Records of Route 53: name -> address.
    domains: Mapping[str, str] = {}

    @property
    def live(self) -> tuple[Instance, ...]:
        """Return the instances that have a machine."""
        return tuple(instance for instance in self.instances if instance.live)


class AwsApi:
    """The AWS APIs of one sandbox."""

    def __init__(self, sandbox: Sandbox, credentials: Mapping[str, str] | None = None) -> None:
        """Make a client for each API that the sandbox itself uses, as the administrator.

        A part that cannot read the sandbox's files gets its `credentials` passed in.
        """
        settings: dict[str, Any] = {
            "endpoint_url": sandbox.endpoint,
            "region_name": sandbox.region,
            "config": Config(connect_timeout=3, read_timeout=30, retries={"max_attempts": 1}),
            **(credentials or sandbox.credentials),
        }
        session = boto3.session.Session()
        self.ec2 = session.client("ec2", **settings)
        self.iam = session.client("iam", **settings)
        self.sts = session.client("sts", **settings)
        self.ssm = session.client("ssm", **settings)
        self.ecr = session.client("ecr", **settings)
        self.route53 = session.client("route53", **settings)

    def observe(self) -> Cloud:
        """Read everything once."""
        reservations = self.ec2.describe_instances()["Reservations"]
        return Cloud(
            instances=tuple(_instance(i) for r in reservations for i in r["Instances"]),
            volumes=tuple(
                Volume(id=v["VolumeId"], gib=v["Size"], snapshot_id=v.get("SnapshotId") or "")
                for v in self.ec2.describe_volumes()["Volumes"]
            ),
            snapshots=tuple(
                Snapshot(id=s["SnapshotId"], volume_id=s["VolumeId"])
                for s in self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
            ),
            subnets={
                s["SubnetId"]: Subnet(id=s["SubnetId"], cidr=s["CidrBlock"])
                for s in self.ec2.describe_subnets()["Subnets"]
            },
            addresses=tuple(
                Address(
                    public_ip=a["PublicIp"],
                    instance_id=a.get("InstanceId") or "",
                )
                for a in self.ec2.describe_addresses()["Addresses"]
            ),
            groups={
                g["GroupId"]: Group(id=g["GroupId"], rules=admitted(g["IpPermissions"]))
                for g in self.ec2.describe_security_groups()["SecurityGroups"]
            },
            domains={
                record["Name"].removesuffix("."): record["ResourceRecords"][0]["Value"]
                for zone in self.route53.list_hosted_zones()["HostedZones"]
                for record in self._records(zone["Id"])
                if record["Type"] == "A"
            },
        )

    def _records(self, zone_id: str) -> list[Any]:
        return list(self.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"])

    def user_data(self, instance_id: str) -> str:
        """Return the user data as the API returns it, base64-encoded; empty if there is none."""
        answer = self.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        return answer.get("UserData", {}).get("Value", "")

    def public_key(self, key_name: str) -> str:
        """Return the public half of a key pair; empty if there is none with that name."""
        if not key_name:
            return ""
        try:
            answer = self.ec2.describe_key_pairs(KeyNames=[key_name], IncludePublicKey=True)
        except ClientError:
            return ""
        return answer["KeyPairs"][0].get("PublicKey", "").strip()

    def role_arn(self, profile_arn: str) -> str:
        """Return the ARN of the role in an instance profile; empty if it has none."""
        try:
            profile = self.iam.get_instance_profile(InstanceProfileName=profile_arn.rpartition("/")[2])[
                "InstanceProfile"
            ]
        except ClientError:
            return ""
        return profile["Roles"][0]["Arn"] if profile["Roles"] else ""


def _instance(seen: Mapping[str, Any]) -> Instance:
    """Convert one instance from describe_instances."""
    roots = ROOT_DEVICES | {seen.get("RootDeviceName", "")}
    mappings = [
        (mapping["DeviceName"] in roots, mapping["Ebs"]["VolumeId"])
        for mapping in seen.get("BlockDeviceMappings", [])
    ]
    options = seen.get("MetadataOptions", {})
    return Instance(
        id=seen["InstanceId"],
        state=seen["State"]["Name"],
        subnet_id=seen.get("SubnetId", ""),
        private_ip=seen.get("PrivateIpAddress", ""),
        image_id=seen.get("ImageId", ""),
        type=seen.get("InstanceType", ""),
        zone=seen.get("Placement", {}).get("AvailabilityZone", ""),
        key_name=seen.get("KeyName", ""),
        profile_arn=seen.get("IamInstanceProfile", {}).get("Arn", ""),
        public_ip=seen.get("PublicIpAddress", ""),
        tokens=options.get("HttpTokens", "optional"),
        hop_limit=options.get("HttpPutResponseHopLimit", 1),
        groups=tuple(group["GroupId"] for group in seen.get("SecurityGroups", [])),
        group_names=tuple(group["GroupName"] for group in seen.get("SecurityGroups", [])),
        volumes=tuple(volume for root, volume in mappings if not root),
        root_volumes=tuple(volume for root, volume in mappings if root),
        tags={tag["Key"]: tag["Value"] for tag in seen.get("Tags", [])},
    )


def admitted(permissions: list[Any]) -> tuple[Rule, ...]:
    """Convert the rules of a security group that open TCP ports to address ranges."""
    rules = []
    for rule in permissions:
        if rule.get("IpProtocol") == "-1":
            low, high = 0, 65535
        elif rule.get("IpProtocol") in ("tcp", "6"):
            low, high = rule["FromPort"], rule["ToPort"]
        else:
            continue
        ranges = [item["CidrIp"] for item in rule.get("IpRanges", [])]
        ranges += [item["CidrIpv6"] for item in rule.get("Ipv6Ranges", [])]
        rules += [Rule(low=low, high=high, source=ip_network(one)) for one in ranges]
    return tuple(rules)
