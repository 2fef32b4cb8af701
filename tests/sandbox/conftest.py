"""A separate host in a running sandbox (`python -m sandbox up`), in a separate network.

Nothing here touches a deployment in the same sandbox.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import parts, settings
from sandbox.aws import publisher
from sandbox.cloud import AwsApi
from sandbox.settings import CHECKOUT, Sandbox

PREFIX = "10.249"
NAME = "sandbox-test"
# The trust policy of our hosts: it trusts EC2.
TRUST = CHECKOUT / "roles/aws_identity/templates/trust.json.j2"
BOOT_SECONDS = 180
USER_DATA = """#cloud-config
system_info:
  default_user:
    name: admin
    uid: 2000
write_files:
  - path: /etc/born
    content: from user data
"""


@dataclass
class Machine:
    """The host under test."""

    api: AwsApi
    key: Path
    instance_id: str
    address: str
    public_ip: str

    def run(self, script: str, *, check: bool = True) -> str:
        """Run a script as root over SSH."""
        done = subprocess.run(
            [
                "ssh", "-i", str(self.key), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", f"admin@{self.address}", "sudo", "sh", "-es",
            ],
            input=script, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def boot(self) -> str:
        """Return a value that differs for each boot; empty while SSH does not answer."""
        return self.run("systemctl show --value -p UserspaceTimestampMonotonic", check=False)

    def wait_for_boot(self, before: str = "") -> None:
        """Wait until SSH answers, on another boot than `before`."""
        until(lambda: self.boot() not in ("", before), BOOT_SECONDS, "the host answers SSH")

    def state(self) -> str:
        """Return the instance's state that the API reports."""
        seen = self.api.ec2.describe_instances(InstanceIds=[self.instance_id])
        return str(seen["Reservations"][0]["Instances"][0]["State"]["Name"])

    def container(self) -> str:
        """Return the container's state, or an empty string."""
        done = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Status}}", f"ragdock-{self.instance_id}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"after {seconds:.0f} s it does not hold that {what}"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The running sandbox of this checkout."""
    found = settings.load()
    assert parts.aws_answers(found), "these tests need a standing sandbox: python -m sandbox up"
    return found


@pytest.fixture(scope="session")
def api(sandbox: Sandbox) -> AwsApi:
    """A client of the sandbox's AWS APIs."""
    return AwsApi(sandbox)


@pytest.fixture(scope="session")
def machine(api: AwsApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted instance with a role, a key, an open port 80 and an Elastic IP."""
    clear(api)
    key = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ec2: Any = api.ec2
    ec2.import_key_pair(KeyName=NAME, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    api.iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=TRUST.read_text())
    api.iam.create_instance_profile(InstanceProfileName=NAME)
    api.iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    vpc = ec2.create_vpc(CidrBlock=f"{PREFIX}.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{PREFIX}.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
    )
    ami = api.ssm.get_parameter(Name=publisher.PARAMETER)["Parameter"]["Value"]
    made = ec2.run_instances(
        ImageId=ami, MinCount=1, MaxCount=1, SubnetId=subnet, InstanceType="t3.large",
        KeyName=NAME, SecurityGroupIds=[group], IamInstanceProfile={"Name": NAME},
        UserData=USER_DATA,
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": NAME}]}],
    )["Instances"][0]  # fmt: skip
    address = ec2.allocate_address(Domain="vpc")
    ec2.create_tags(Resources=[address["AllocationId"]], Tags=[{"Key": "Name", "Value": NAME}])
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=made["InstanceId"])
    host = Machine(api, key, made["InstanceId"], made["PrivateIpAddress"], address["PublicIp"])
    host.wait_for_boot()
    host.run("cloud-init status --wait", check=False)
    yield host
    clear(api)


def clear(api: AwsApi) -> None:
    """Remove whatever an earlier run of these tests left."""
    ec2: Any = api.ec2
    mine = [{"Name": "tag:Name", "Values": [NAME]}]
    for reservation in ec2.describe_instances(Filters=mine)["Reservations"]:
        ids = [i["InstanceId"] for i in reservation["Instances"] if i["State"]["Name"] != "terminated"]
        if ids:
            ec2.terminate_instances(InstanceIds=ids)
    for address in ec2.describe_addresses(Filters=mine)["Addresses"]:
        ec2.release_address(AllocationId=address["AllocationId"])
    for volume in ec2.describe_volumes(Filters=mine)["Volumes"]:
        ec2.delete_volume(VolumeId=volume["VolumeId"])
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]:
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    for pair in ec2.describe_key_pairs()["KeyPairs"]:
        if pair["KeyName"] == NAME:
            ec2.delete_key_pair(KeyName=NAME)
    if NAME in [p["InstanceProfileName"] for p in api.iam.list_instance_profiles()["InstanceProfiles"]]:
        api.iam.remove_role_from_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
        api.iam.delete_instance_profile(InstanceProfileName=NAME)
        api.iam.delete_role(RoleName=NAME)
    for vpc in ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [f"{PREFIX}.0.0/16"]}])["Vpcs"]:
        inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        for group in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]:
            if group["GroupName"] == NAME:
                ec2.delete_security_group(GroupId=group["GroupId"])
        for subnet in ec2.describe_subnets(Filters=inside)["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        ec2.delete_vpc(VpcId=vpc["VpcId"])
