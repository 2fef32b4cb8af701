"""An instance of the sandbox behaves as one of EC2 would."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from sandbox import egress
from sandbox.aws import publisher
from sandbox.settings import Sandbox

from .conftest import NAME, Machine, until

pytestmark = pytest.mark.docker

METADATA = "http://169.254.169.254/latest"
GET_TOKEN = f"curl -sS -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {METADATA}/api/token"


def look(machine: Machine, path: str) -> str:
    """Return a metadata value, requested by the host."""
    header = "X-aws-ec2-metadata-token: $token"
    return machine.run(f'token=$({GET_TOKEN})\ncurl -fsS -H "{header}" {METADATA}/{path}')


def test_user_data_and_key_are_honoured(machine: Machine) -> None:
    """The fixture has already connected by SSH with the key pair's key; cloud-init did the rest."""
    assert machine.run("cat /etc/born") == "from user data"
    assert machine.run("id -u admin") == "2000"
    assert machine.run("hostname") == "ip-" + machine.address.replace(".", "-")


def test_boots_whole(machine: Machine) -> None:
    """A degraded host would hide what a deployment breaks."""
    until(
        lambda: machine.run("systemctl is-system-running", check=False) == "running",
        60,
        "systemd is content",
    )
    assert machine.run("systemctl --failed --no-legend") == ""


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("meta-data/instance-id", "{0.instance_id}"),
        ("meta-data/local-ipv4", "{0.address}"),
        ("meta-data/public-ipv4", "{0.public_ip}"),
        ("meta-data/placement/region", "us-east-1"),
        ("meta-data/security-groups", NAME),
        ("meta-data/iam/security-credentials/", NAME),
    ],
)
def test_metadata_describes_the_instance(machine: Machine, path: str, wanted: str) -> None:
    """Each host sees its own values, distinguished by address."""
    until(lambda: look(machine, path) == wanted.format(machine), 20, f"{path} is {wanted}")


def test_identity_document_names_the_instance(machine: Machine) -> None:
    """AWS agents read it."""
    document = json.loads(look(machine, "dynamic/instance-identity/document"))
    assert document["instanceId"] == machine.instance_id
    assert document["region"] == "us-east-1"


def test_role_credentials_open_the_apis(machine: Machine, sandbox: Sandbox) -> None:
    """What the metadata hands out is a session of the instance's role."""
    given = json.loads(look(machine, f"meta-data/iam/security-credentials/{NAME}"))
    assert f"assumed-role/{NAME}/" in caller(sandbox, given).get_caller_identity()["Arn"]
    for part, code in (("SecretAccessKey", "SignatureDoesNotMatch"), ("Token", "InvalidClientTokenId")):
        with pytest.raises(ClientError, match=code):
            caller(sandbox, given | {part: "guessed"}).get_caller_identity()


def caller(sandbox: Sandbox, given: dict[str, str]) -> Any:
    """Return an STS client with these credentials, which can report whose they are."""
    return boto3.session.Session().client(
        "sts",
        endpoint_url=sandbox.endpoint,
        region_name=sandbox.region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["Token"],
    )


def test_metadata_wants_a_token(machine: Machine) -> None:
    """IMDSv2: a request forged through a web page carries none."""
    code = "curl -s -o /dev/null -w '%{http_code}'"
    assert machine.run(f"{code} {METADATA}/meta-data/") == "401"
    assert machine.run(f"{code} -H 'X-aws-ec2-metadata-token: made-up' {METADATA}/meta-data/") == "401"
    ttl = "X-aws-ec2-metadata-token-ttl-seconds"
    assert machine.run(f"{code} -X PUT -H '{ttl}: 99999' {METADATA}/api/token") == "400"
    assert machine.run(f"{code} -X PUT -H '{ttl}: 60' -H 'X-Forwarded-For: x' {METADATA}/api/token") == "403"


def test_hop_limit_keeps_the_token_from_containers(machine: Machine) -> None:
    """With a hop limit of 1 the reply is dropped when it is forwarded."""
    machine.run(
        """
        ip netns add inner
        ip link add outer0 type veth peer name inner0 netns inner
        ip address add 192.168.77.1/24 dev outer0; ip link set outer0 up
        ip -n inner address add 192.168.77.2/24 dev inner0; ip -n inner link set inner0 up
        ip -n inner route add default via 192.168.77.1
        sysctl -qw net.ipv4.ip_forward=1
        iptables -t nat -A POSTROUTING -s 192.168.77.0/24 -j MASQUERADE
        """
    )
    try:
        code = f"ip netns exec inner curl -s -m 4 -o /dev/null -w '%{{http_code}}' {METADATA}"
        # The address itself can be reached; otherwise the next check would mean nothing.
        assert machine.run(f"{code}/meta-data/") == "401"
        forwarded = GET_TOKEN.replace("curl -sS -m 5", "ip netns exec inner curl -s -m 4")
        assert machine.run(forwarded, check=False) == ""
        assert len(machine.run(GET_TOKEN)) > 40
    finally:
        machine.run("ip netns del inner; iptables -t nat -D POSTROUTING -s 192.168.77.0/24 -j MASQUERADE")


def test_reaches_the_apis_and_the_registry(machine: Machine, sandbox: Sandbox) -> None:
    """The registry answers under its ECR name, and the host trusts its certificate."""
    ca = f"/etc/docker/certs.d/{sandbox.registry}/ca.crt"
    code = "curl -s -o /dev/null -w '%{http_code}'"
    assert machine.run(f"{code} --cacert {ca} https://{sandbox.registry}/v2/") == "401"
    assert machine.run(f"{code} {sandbox.endpoint}/sandbox/events") == "200"


def test_elastic_ip_leads_in_where_the_security_group_lets(machine: Machine) -> None:
    """Port 80 is open to the world in these tests, 443 is not."""
    machine.run("systemd-run -q --unit web python3 -m http.server 80 --directory /etc")
    try:
        url = f"http://{machine.public_ip}/born"
        until(lambda: _body(url) == "from user data", 20, f"{url} answers")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{machine.public_ip}:443/", timeout=5)
    finally:
        machine.run("systemctl stop web")


def _body(url: str) -> str:
    try:
        return requests.get(url, timeout=5).text
    except requests.ConnectionError:
        return ""


def test_volume_follows_and_survives(machine: Machine) -> None:
    """Attached while running, mounted again after a reboot, gone when detached; a snapshot is a copy."""
    ec2: Any = machine.api.ec2
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": NAME}]}]
    zone = ec2.describe_instances(InstanceIds=[machine.instance_id])["Reservations"][0]["Instances"][0][
        "Placement"
    ]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=tags)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=machine.instance_id, Device="/dev/sdf")
    device = _device(volume)
    until(lambda: machine.run(f"test -b {device} && echo yes", check=False) == "yes", 20, "the disk is there")
    assert machine.run(f"readlink -f {device}") == "/dev/nvme1n1"
    assert machine.run(f"blockdev --getsize64 {device}") == str(1 << 30)
    machine.run(
        f"""
        mkfs.ext4 -q {device}
        mkdir -p /kept
        echo '{device} /kept ext4 defaults,nofail 0 2' >>/etc/fstab
        mount /kept
        echo precious >/kept/file
        """
    )

    before = machine.boot()
    ec2.reboot_instances(InstanceIds=[machine.instance_id])
    machine.wait_for_boot(before)
    assert machine.run("cat /kept/file") == "precious"

    snapshot = ec2.create_snapshot(
        VolumeId=volume,
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "Name", "Value": NAME}]}],
    )["SnapshotId"]
    # The copy is made a moment after the call has returned; on EC2 it is of the moment of the call.
    time.sleep(5)
    machine.run("echo changed >/kept/file; sync; sed -i '/kept/d' /etc/fstab; umount /kept")
    ec2.detach_volume(VolumeId=volume)
    until(
        lambda: machine.run(f"test -e {device} || echo gone", check=False) == "gone", 20, "the disk is gone"
    )

    copy = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot, TagSpecifications=tags)["VolumeId"]
    ec2.attach_volume(VolumeId=copy, InstanceId=machine.instance_id, Device="/dev/sdg")
    other = _device(copy)
    until(lambda: machine.run(f"test -b {other} && echo yes", check=False) == "yes", 20, "it is there")
    assert machine.run(f"mount {other} /kept && cat /kept/file && umount /kept") == "precious"
    ec2.detach_volume(VolumeId=copy)
    ec2.delete_snapshot(SnapshotId=snapshot)


def _device(volume_id: str) -> str:
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"


def test_reboot_from_within(machine: Machine) -> None:
    """An unattended upgrade may do that; the API still says running."""
    before = machine.boot()
    machine.run("systemctl reboot", check=False)
    machine.wait_for_boot(before)
    assert machine.state() == "running"


def test_power_off_from_within_stops_the_instance(machine: Machine) -> None:
    """The API reports it, and can start the instance again with the same root disk."""
    machine.run("echo kept >/root/note; systemctl poweroff", check=False)
    until(lambda: machine.state() == "stopped", 60, "the API says stopped")
    machine.api.ec2.start_instances(InstanceIds=[machine.instance_id])
    machine.wait_for_boot()
    assert machine.run("cat /root/note") == "kept"


def test_stop_and_start_through_the_api(machine: Machine) -> None:
    """Both work, and the address stays."""
    machine.api.ec2.stop_instances(InstanceIds=[machine.instance_id])
    until(lambda: machine.container() == "exited", 60, "the container has ended")
    machine.api.ec2.start_instances(InstanceIds=[machine.instance_id])
    machine.wait_for_boot()
    assert machine.state() == "running"


def test_push_and_pull_under_the_repository_uri(sandbox: Sandbox, machine: Machine) -> None:
    """Docker on this machine logs in with ECR's token and pushes; without a login it is refused."""
    data = machine.api.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    reference = f"{sandbox.registry}/{NAME}:probe"
    subprocess.run(["docker", "tag", "debian:trixie-slim", reference], check=True)
    try:
        _docker("logout", sandbox.registry)
        refused = _docker("push", reference)
        assert refused.returncode != 0
        assert "no basic auth credentials" in refused.stderr
        login = _docker("login", "-u", user, "--password-stdin", sandbox.registry, text=password)
        assert login.returncode == 0, login.stderr
        pushed = _docker("push", reference)
        assert pushed.returncode == 0, pushed.stderr
        pulled = _docker("pull", reference)
        assert pulled.returncode == 0, pulled.stderr
    finally:
        _docker("rmi", reference)


def _docker(*words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], input=text, capture_output=True, text=True, check=False)


def test_newest_image_is_debians(machine: Machine) -> None:
    """The publisher's parameter names an AMI of Debian's account."""
    ami = machine.api.ssm.get_parameter(Name=publisher.PARAMETER)["Parameter"]["Value"]
    image = machine.api.ec2.describe_images(ImageIds=[ami])["Images"][0]
    assert image["OwnerId"] == publisher.DEBIAN
    assert image["Name"].startswith("debian-13-amd64-")


def test_a_fault_closes_the_way_out_and_opens_it_again(machine: Machine, sandbox: Sandbox) -> None:
    """This reproduces a host's first minute on EC2, before its address is associated."""
    connect = "import socket; socket.create_connection(('deb.debian.org', 80), 3)"

    def reaches() -> bool:
        return machine.run(f'python3 -c "{connect}" && echo yes', check=False) == "yes"

    until(reaches, 20, "the host has a way out")
    egress.switch(sandbox, "egress", "on")
    try:
        until(lambda: not reaches(), 20, "the way out is closed")
    finally:
        egress.switch(sandbox, "egress", "off")
    until(reaches, 20, "the way out is open again")


def test_a_host_without_the_agent_is_no_target(machine: Machine) -> None:
    """Its user data installed none."""
    with pytest.raises(ClientError, match="TargetNotConnected"):
        machine.api.ssm.start_session(Target=machine.instance_id, DocumentName="AWS-StartSSHSession")


def test_termination_leaves_nothing_but_the_volume(machine: Machine) -> None:
    """The last of these tests: the container and its root disk are removed, a data volume stays."""
    ec2: Any = machine.api.ec2
    mine = [{"Name": "tag:Name", "Values": [NAME]}]
    volume = ec2.describe_volumes(Filters=mine)["Volumes"][0]["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=machine.instance_id, Device="/dev/sdf")
    ec2.terminate_instances(InstanceIds=[machine.instance_id])
    until(lambda: machine.container() == "", 60, "the container is gone")
    assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    volumes = ("volume", "ls", "-q", "--filter", f"name=ragdock-{machine.instance_id}")
    until(lambda: _docker(*volumes).stdout.strip() == "", 5, "its Docker volume is gone")
    address = ec2.describe_addresses(Filters=mine)["Addresses"][0]
    assert not address.get("InstanceId")
