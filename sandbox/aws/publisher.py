"""Publishes what third parties provide in AWS: Debian's images and Amazon's agent."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

# Debian's own account, and the parameter under which it publishes its newest image.
DEBIAN = "136693071363"
PARAMETER = "/aws/service/debian/release/13/latest/amd64"
# The owner of the buckets with the Session Manager agent, one per region.
AMAZON = "507897422514"
BUILDS = ("20260316-2418", "20261102-2647")


def images() -> list[dict[str, Any]]:
    """Return Debian's AMIs, oldest first, in moto's format."""
    return [
        {
            "ami_id": ami_id(build),
            "name": f"debian-13-amd64-{build}",
            "description": f"Debian 13 ({build})",
            "image_location": f"amazon/debian-13-amd64-{build}",
            "creation_date": f"{build[:4]}-{build[4:6]}-{build[6:8]}T00:00:00.000Z",
            "owner_id": DEBIAN,
            "public": True,
            "state": "available",
            "architecture": "x86_64",
            "virtualization_type": "hvm",
            "hypervisor": "xen",
            "image_type": "machine",
            "root_device_type": "ebs",
            "root_device_name": "/dev/xvda",
            "sriov": "simple",
            "boot_mode": "uefi-preferred",
        }
        for build in BUILDS
    ]


def ami_id(build: str) -> str:
    """Derive an AMI's identifier from its build."""
    return f"ami-{hashlib.sha256(build.encode()).hexdigest()[:17]}"


def write_images(path: Path) -> None:
    """Write the file that moto reads its AMIs from."""
    path.write_text(json.dumps(images(), indent=1))


def publish(account: str, region: str) -> None:
    """Create the account and put Debian's parameter into it.

    The public API refuses names under /aws, as AWS does, so this writes to moto's store directly.
    """
    from moto.ec2.models import ec2_backends
    from moto.iam.models import iam_backends
    from moto.kms.models import kms_backends
    from moto.s3.models import s3_backends
    from moto.ssm.models import Parameter, ssm_backends

    parameter: Any = Parameter

    # A backend draws identifiers (default VPC and subnets) on first use. Trigger that now, not
    # at some request that a replay might order differently.
    for backends, place in (
        (ec2_backends, region),
        (kms_backends, region),
        (iam_backends, "aws"),
        (s3_backends, "aws"),
    ):
        backends[account][place]
    ssm = ssm_backends[account][region]
    for version, build in enumerate(BUILDS, start=1):
        ssm._parameters[PARAMETER].append(
            parameter(
                account_id=account,
                name=PARAMETER,
                value=ami_id(build),
                parameter_type="String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=dt.datetime.now(dt.UTC).replace(tzinfo=None),
                version=version,
                data_type="text",
            )
        )


def publish_agent(region: str, version: str, folder: Path) -> None:
    """Put the Session Manager agent's package and signature into Amazon's bucket, for everyone."""
    from moto.s3.models import get_canned_acl, s3_backends

    backend: Any = s3_backends[AMAZON]["aws"]
    bucket = f"amazon-ssm-{region}"
    backend.create_bucket(bucket, region)
    for path in sorted(folder.glob("*.deb*")):
        key = f"{version}/debian_amd64/{path.name}"
        backend.put_object(bucket, key, path.read_bytes())
        backend.put_object_acl(bucket, key, get_canned_acl("public-read"))
