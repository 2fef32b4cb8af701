"""Who may reach ports 80 and 443: the rules of the security group follow ragdock_allowed_cidrs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.local_aws import client

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
OFFICE, HOME, SIX = "203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"
EVERYBODY = "0.0.0.0/0"
NAME = "ranges"


def provision(aws: str, **settings: Any) -> int:
    """Create the group with these settings and return how many tasks changed something."""
    values = settings | {
        "ragdock_name": NAME,
        "ragdock_region": "us-east-1",
        "ragdock_aws_endpoint_url": aws,
        "ragdock_aws_access_key_id": "local",
        "ragdock_aws_secret_access_key": "local",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", HERE / "security_group.yml",
         "-e", json.dumps(values), "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=ROOT, env=os.environ | {"ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    recap = re.search(r"changed=(\d+)", done.stdout)
    assert recap, done.stdout
    return int(recap.group(1))


def rules(aws: str) -> set[tuple[int, str]]:
    """The port and the source of each inbound rule."""
    mine = [{"Name": "tag:ragdock:name", "Values": [NAME]}]
    (group,) = client("ec2", aws).describe_security_groups(Filters=mine)["SecurityGroups"]
    return {
        (rule["FromPort"], source.get("CidrIp") or source["CidrIpv6"])
        for rule in group["IpPermissions"]
        for source in rule["IpRanges"] + rule["Ipv6Ranges"]
        if rule["FromPort"] == rule["ToPort"] and rule["IpProtocol"] == "tcp"
    }


def make_group(aws: str) -> None:
    """Create a group whose rules already exist. The module would wait in vain for those of a new group."""
    ec2 = client("ec2", aws)
    tags = [{"Key": "ragdock:name", "Value": NAME}]
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])[
        "Vpc"
    ]["VpcId"]
    group = ec2.create_security_group(
        GroupName=f"ragdock-{NAME}",
        Description="Public door of Ragdock",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    everybody = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": EVERYBODY}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everybody])


def test_only_the_named_ranges_reach_the_service(aws_server: str) -> None:
    """A second run changes nothing, and a range that is removed loses access.

    While an authority issues the certificate, port 80 is open to everybody for its challenges.
    """
    make_group(aws_server)
    named = {"ragdock_allowed_cidrs": [OFFICE, HOME, SIX], "ragdock_certificate": "own"}
    provision(aws_server, **named)
    assert rules(aws_server) == {(port, one) for port in (80, 443) for one in (OFFICE, HOME, SIX)}
    assert provision(aws_server, **named) == 0
    assert provision(aws_server, ragdock_allowed_cidrs=[OFFICE]) == 1
    assert rules(aws_server) == {(443, OFFICE), (80, EVERYBODY)}
