"""The host that is to be launched: its type, the zones that offer it, and its image."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError, code_of

with suppress(ImportError):
    from botocore.exceptions import ClientError

ARCHITECTURE = "x86_64"
SETTING = "ragdock_instance_type"
# The maker of the GPUs for which the model host has a driver.
CARDS = "NVIDIA"


def type_of(ec2: Any, kind: str, region: str, setting: str = SETTING) -> dict[str, Any]:
    """AWS's description of the instance type, which must be x86_64 and expose its disks by their ids."""
    try:
        answer = ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    except ClientError as error:
        if code_of(error) not in ("InvalidInstanceType", "InvalidParameterValue"):
            raise
        answer = []
    if not answer:
        raise RefusalError(
            f"{setting} is '{kind}', which {region} does not offer. "
            "List what it offers with: aws ec2 describe-instance-types --query InstanceTypes[].InstanceType"
        )
    found = dict(answer[0])
    if ARCHITECTURE not in found["ProcessorInfo"]["SupportedArchitectures"]:
        raise RefusalError(
            f"{setting} '{kind}' is not x86_64, which the images are built for. Choose t3.large."
        )
    if found.get("EbsInfo", {}).get("NvmeSupport") == "unsupported":
        raise RefusalError(
            f"{setting} '{kind}' is of an older generation (Xen), on which a volume cannot be "
            "found by its id. Choose a type of the Nitro system, such as t3.large or m6i.large."
        )
    return found


def needed_mib(limits: dict[str, Any], reserve_mib: int) -> int:
    """MiB that the stack and the host itself need."""
    return sum(int(value) for value in limits.values()) + reserve_mib


def memory_of(found: dict[str, Any], limits: dict[str, Any], reserve_mib: int) -> int:
    """MiB of the instance type, which must have room for the sum of the limits."""
    kind, memory = found["InstanceType"], int(found["MemoryInfo"]["SizeInMiB"])
    needed = needed_mib(limits, reserve_mib)
    if needed > memory:
        each = ", ".join(
            f"{name} {value}" for name, value in sorted(limits.items(), key=lambda item: -int(item[1]))
        )
        raise RefusalError(
            f"The stack needs {needed} MiB ({each}, host reserve {reserve_mib}), "
            f"but a {kind} has {memory} MiB: {needed - memory} too few. "
            "Choose a larger ragdock_instance_type or lower ragdock_memory_limits."
        )
    return memory


def zones_of(ec2: Any, kind: str, region: str, setting: str = SETTING) -> list[str]:
    """The zones of the region that offer the type, in the order of their names."""
    answer = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [kind]}]
    )
    places = [item["Location"] for page in answer for item in page["InstanceTypeOfferings"]]
    # Local and wavelength zones have longer names, and networks of their own.
    zones = sorted(place for place in places if re.fullmatch(f"{region}[a-z]", place))
    if not zones:
        raise RefusalError(
            f"{setting} is '{kind}', which no zone of {region} offers. Choose another type or region."
        )
    return zones


def graphics_of(found: dict[str, Any], setting: str) -> str:
    """The GPUs of an instance type in words, such as "1 x L4, 22888 MiB"; empty without one."""
    cards = found.get("GpuInfo", {}).get("Gpus", [])
    makers = sorted({one["Manufacturer"] for one in cards} - {CARDS})
    if makers:
        raise RefusalError(
            f"{setting} is '{found['InstanceType']}', whose GPUs are made by {', '.join(makers)}. "
            f"The host has a driver for {CARDS}'s only. Choose a type such as g6.xlarge, or one without."
        )
    return ", ".join(
        f"{one['Count']} x {one['Name']}, {one['MemoryInfo']['SizeInMiB']} MiB each" for one in cards
    )


def image_of(ssm: Any, ami_id: str, parameter: str, region: str) -> str:
    """The id of the image for a new host."""
    if ami_id:
        return ami_id
    try:
        return str(ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        raise RefusalError(
            f"ragdock_ami_ssm_parameter is '{parameter}', which does not exist in {region}. "
            "Debian publishes /aws/service/debian/release/13/latest/amd64; or set ragdock_ami_id."
        ) from None


def root_device_of(ec2: Any, image: str, root_gib: int, region: str) -> str:
    """The name of the image's root device, on which the size of the root volume is set."""
    try:
        answer = ec2.describe_images(ImageIds=[image])["Images"]
    except ClientError as error:
        if code_of(error) not in (
            "InvalidAMIID.NotFound",
            "InvalidAMIID.Malformed",
            "InvalidAMIID.Unavailable",
        ):
            raise
        answer = []
    if not answer or answer[0]["State"] != "available":
        raise RefusalError(
            f"The image {image} (ragdock_ami_id, or what ragdock_ami_ssm_parameter names) is not available "
            f"to this account in {region}. Images belong to one region: choose one of {region}, or leave "
            "ragdock_ami_id empty."
        )
    found = answer[0]
    if found["Architecture"] != ARCHITECTURE or found["RootDeviceType"] != "ebs":
        raise RefusalError(
            f"The image {image} is {found['Architecture']} with a root device of type "
            f"{found['RootDeviceType']}: the host needs {ARCHITECTURE} and ebs. Correct ragdock_ami_id, or "
            "leave it empty."
        )
    root = str(found["RootDeviceName"])
    sizes = [
        one["Ebs"].get("VolumeSize", 0)
        for one in found.get("BlockDeviceMappings", [])
        if one.get("DeviceName") == root and "Ebs" in one
    ]
    if sizes and sizes[0] > root_gib:
        raise RefusalError(
            f"The image {image} needs a root volume of {sizes[0]} GiB, but ragdock_root_volume_gib is "
            f"{root_gib}. Set it to {sizes[0]} or more."
        )
    return root
