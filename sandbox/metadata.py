"""The metadata tree of one instance, as IMDS would show it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.cloud import AwsApi, Instance
from sandbox.settings import ACCOUNT

# Credentials last six hours and are renewed long before they end, as EC2 does.
LASTS = dt.timedelta(hours=6)
RENEW = dt.timedelta(hours=2)
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def hostname(instance: Instance) -> str:
    """The name EC2 gives an instance."""
    return "ip-" + instance.private_ip.replace(".", "-")


def tree(
    instance: Instance,
    region: str,
    credentials: Mapping[str, Any] | None,
    public_key: str = "",
    user_data: str = "",
) -> dict[str, Any]:
    """Everything below the metadata address."""
    name = f"{hostname(instance)}.ec2.internal"
    data: dict[str, Any] = {
        "ami-id": instance.image_id,
        "hostname": name,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": "on-demand",
        "instance-type": instance.type,
        "local-hostname": name,
        "local-ipv4": instance.private_ip,
        "placement": {"availability-zone": instance.zone, "region": region},
        "security-groups": "\n".join(instance.group_names),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
    }
    if instance.public_ip:
        data["public-ipv4"] = instance.public_ip
    if public_key:
        data["public-keys"] = {"0": {"openssh-key": public_key}}
    if credentials is not None:
        data["iam"] = {
            "info": json.dumps({"Code": "Success", "InstanceProfileArn": instance.profile_arn}),
            "security-credentials": {str(credentials["role"]): json.dumps(credentials["document"])},
        }
    latest: dict[str, Any] = {
        "meta-data": data,
        "dynamic": {"instance-identity": {"document": json.dumps(_identity(instance, region), indent=2)}},
    }
    if user_data:
        latest["user-data"] = base64.b64decode(user_data).decode(errors="replace")
    return {"latest": latest}


def _identity(instance: Instance, region: str) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": instance.zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.type,
        "privateIp": instance.private_ip,
        "region": region,
        "version": "2017-09-30",
    }


def assume(api: AwsApi, instance: Instance) -> dict[str, Any] | None:
    """Return credentials of the instance's role; None if it has no role, or one that does not trust EC2."""
    arn = api.role_arn(instance.profile_arn) if instance.profile_arn else ""
    if not arn:
        return None
    try:
        given = api.sts.assume_role(
            RoleArn=arn, RoleSessionName=instance.id, DurationSeconds=int(LASTS.total_seconds())
        )["Credentials"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return None
        raise
    now = dt.datetime.now(dt.UTC)
    return {
        "role": arn.rpartition("/")[2],
        "arn": instance.profile_arn,
        "until": given["Expiration"].timestamp(),
        "document": {
            "Code": "Success",
            "LastUpdated": now.strftime(STAMP),
            "Type": "AWS-HMAC",
            "AccessKeyId": given["AccessKeyId"],
            "SecretAccessKey": given["SecretAccessKey"],
            "Token": given["SessionToken"],
            "Expiration": given["Expiration"].strftime(STAMP),
        },
    }


def fresh(credentials: Mapping[str, Any] | None, instance: Instance, now: dt.datetime) -> bool:
    """Return whether credentials are still valid for that instance."""
    if credentials is None:
        return not instance.profile_arn
    return bool(
        credentials["arn"] == instance.profile_arn
        and credentials["until"] - now.timestamp() > RENEW.total_seconds()
    )


class Publisher:
    """Writes the metadata tree of each live instance to the folder that the router reads."""

    def __init__(self, api: AwsApi, region: str, folder: Path) -> None:
        """Write into `folder`, one file for each address."""
        self._api = api
        self._region = region
        self._folder = folder
        self._credentials: dict[str, dict[str, Any] | None] = {}
        self._fixed: dict[str, tuple[str, str]] = {}

    def follow(self, instances: tuple[Instance, ...]) -> None:
        """Update the folder to the instances that are live now."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        expected = set()
        for instance in instances:
            expected.add(f"{instance.private_ip}.json")
            self._write(instance)
        for path in self._folder.glob("*.json"):
            if path.name not in expected:
                path.unlink()

    def _write(self, instance: Instance) -> None:
        held = self._credentials.get(instance.id)
        if not fresh(held, instance, dt.datetime.now(dt.UTC)):
            held = self._credentials[instance.id] = assume(self._api, instance)
        if instance.id not in self._fixed:
            self._fixed[instance.id] = (
                self._api.public_key(instance.key_name),
                self._api.user_data(instance.id),
            )
        key, user_data = self._fixed[instance.id]
        content = json.dumps(
            {
                "hop_limit": instance.hop_limit,
                "tokens": instance.tokens,
                "tree": tree(instance, self._region, held, key, user_data),
            }
        )
        path = self._folder / f"{instance.private_ip}.json"
        if not path.exists() or path.read_text() != content:
            partial = path.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_text(content)
            partial.rename(path)
