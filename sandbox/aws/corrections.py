"""Corrects moto where it differs from AWS in a way that matters to a deployment."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

from sandbox.aws.signature import STAMP

# Default quotas: Elastic IPs, and vCPUs of running on-demand standard instances.
QUOTAS = {"L-0263D0A3": 5.0, "L-1216C47A": 32.0}
# Default duration of a session in seconds, if the request names none.
HOUR = 3600
# Bytes of a session's token.
TOKEN = 264


def apply() -> None:
    """Patch moto's classes; must run before any request."""
    _ec2()
    _s3()
    _sts()
    _quotas()


def _quotas() -> None:
    """Add the EC2 quotas: moto only has those of networks."""
    from moto.servicequotas import models

    backend: Any = models.ServiceQuotasBackend
    known = backend.get_service_quota

    def get_service_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code == "ec2" and quota_code in QUOTAS:
            return {"ServiceCode": "ec2", "QuotaCode": quota_code, "Value": QUOTAS[quota_code]}
        return dict(known(self, service_code, quota_code))

    backend.get_service_quota = get_service_quota


def _s3() -> None:
    from moto.iam.access_control import PermissionResult
    from moto.s3 import models

    bucket: Any = models.FakeBucket

    def get_permission(*_: Any) -> Any:
        """Skip moto's check of bucket policies, which ignores conditions: the judge has applied them."""
        return PermissionResult.NEUTRAL

    bucket.get_permission = get_permission


def _sts() -> None:
    from moto.moto_api._internal import mock_random
    from moto.sts import models
    from moto.sts.models import AssumedRole
    from moto.sts.responses import TokenResponse

    response: Any = TokenResponse
    role: Any = AssumedRole
    role.policy_arns = ()

    def random_session_token() -> str:
        """Draw the token from moto's own random source, so that a replay gives a host the same token."""
        drawn = mock_random.getrandbits(8 * TOKEN).to_bytes(TOKEN, "big")
        return base64.b64encode(drawn).decode()

    module: Any = models
    module.random_session_token = random_session_token
    assume_role = response.assume_role

    def assume_role_until(self: Any) -> Any:
        """Count a session's duration from its request, even if the request is replayed later.

        Also attach the managed policies that the request names, which moto ignores.
        """
        answer = assume_role(self)
        session = answer.result["Credentials"]
        if made := self.headers.get("X-Amz-Date"):
            lasts = dt.timedelta(seconds=int(self.querystring.get("DurationSeconds", [HOUR])[0]))
            session.expiration = dt.datetime.strptime(made, STAMP) + lasts
        named = [key for key in self.querystring if key.startswith("PolicyArns.")]
        session.policy_arns = [self.querystring[key][0] for key in sorted(named)]
        return answer

    response.assume_role = assume_role_until


def _ec2() -> None:
    from moto.ec2 import models
    from moto.ec2.models.amis import Ami

    image: Any = Ami
    mappings = image.block_device_mappings.fget

    def block_device_mappings(self: Any) -> Any:
        """Report a root volume of 8 GiB, as Debian's images do; all of moto's have 15."""
        found = mappings(self)
        found[0]["Ebs"]["VolumeSize"] = 8
        return found

    image.block_device_mappings = property(block_device_mappings)
    backend: Any = models.EC2Backend

    detach, terminate = backend.detach_volume, backend.terminate_instances

    def detach_volume(self: Any, volume_id: str, instance_id: str | None, device_path: str | None) -> Any:
        """Find the instance by the volume, as EC2 does; moto fails if the request does not name it."""
        volume = self.get_volume(volume_id)
        if volume.attachment is not None:
            instance_id = instance_id or volume.attachment.instance.id
            device_path = device_path or volume.attachment.device
        return detach(self, volume_id, instance_id, device_path)

    def terminate_instances(self: Any, instance_ids: list[str]) -> Any:
        """Disassociate the Elastic IPs of a terminated instance, as EC2 does; moto keeps them associated."""
        answer = terminate(self, instance_ids)
        for address in list(self.describe_addresses()):
            if address.association_id and address.instance and address.instance.id in instance_ids:
                self.disassociate_address(association_id=address.association_id)
        return answer

    backend.detach_volume = detach_volume
    backend.terminate_instances = terminate_instances
