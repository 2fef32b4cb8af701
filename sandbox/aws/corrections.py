"""Where moto does otherwise than AWS and a deployment would notice."""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Correct moto's own classes, before any request."""
    _ec2()
    _s3()


def _s3() -> None:
    from moto.iam.access_control import PermissionResult
    from moto.s3 import models

    bucket: Any = models.FakeBucket

    def get_permission(*_: Any) -> Any:
        """moto reads a bucket's policy without its conditions. The judge has read it with them."""
        return PermissionResult.NEUTRAL

    bucket.get_permission = get_permission


def _ec2() -> None:
    from moto.ec2 import models

    backend: Any = models.EC2Backend

    detach, terminate = backend.detach_volume, backend.terminate_instances

    def detach_volume(self: Any, volume_id: str, instance_id: str | None, device_path: str | None) -> Any:
        """EC2 finds the instance by the volume; moto fails when it is not named."""
        volume = self.get_volume(volume_id)
        if volume.attachment is not None:
            instance_id = instance_id or volume.attachment.instance.id
            device_path = device_path or volume.attachment.device
        return detach(self, volume_id, instance_id, device_path)

    def terminate_instances(self: Any, instance_ids: list[str]) -> Any:
        """EC2 frees the Elastic IPs of an instance that ends; moto leaves them on it."""
        answer = terminate(self, instance_ids)
        for address in list(self.describe_addresses()):
            if address.association_id and address.instance and address.instance.id in instance_ids:
                self.disassociate_address(association_id=address.association_id)
        return answer

    backend.detach_volume = detach_volume
    backend.terminate_instances = terminate_instances
