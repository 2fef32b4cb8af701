"""Faults of single resources: behaviour that AWS shows occasionally and a local AWS never."""

from __future__ import annotations

import re
import time
from collections import Counter
from http import HTTPStatus
from typing import ClassVar

from sandbox.aws.faults.call import Call
from sandbox.aws.faults.fault import Ask, Fault
from sandbox.aws.refusals import Refusal


class NamesBusy(Fault):
    """AWS needs 30 seconds before the name of a deleted parameter can be used again."""

    name = "names-busy"
    says = "a parameter's name cannot be used for N seconds after its deletion"
    number = 30

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._deleted: dict[str, float] = {}

    def refuse(self, call: Call) -> Refusal | None:
        if call.operation != "PutParameter":
            return None
        if time.monotonic() - self._deleted.get(call.fields["Name"], float("-inf")) > self.value:
            return None
        return Refusal("ParameterAlreadyExists", "The parameter already exists.")

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation in ("DeleteParameter", "DeleteParameters"):
            self._deleted |= dict.fromkeys(call.fields.values(), time.monotonic())
        return body


class ProfileDelay(Fault):
    """EC2 sees a new instance profile, and then the role in it, only some time after IAM."""

    name = "profile-delay"
    says = "the first N launches find no instance profile, or no role in it"
    number = 2

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._refused = 0

    def refuse(self, call: Call) -> Refusal | None:
        profile = call.fields.get("IamInstanceProfile.Arn") or call.fields.get("IamInstanceProfile.Name")
        if call.operation != "RunInstances" or call.dry or not profile or self._refused >= self.value:
            return None
        self._refused += 1
        messages = (
            f"Value ({profile}) for parameter iamInstanceProfile is invalid. "
            "Invalid IAM Instance Profile name",
            f"IAM Instance Profile '{profile}' has no associated IAM Roles",
        )
        return Refusal("InvalidParameterValue", messages[(self._refused - 1) % 2])


class ZoneWithoutType(Fault):
    """Zone us-east-1e has no t3, and AWS may choose it for a subnet that names no zone."""

    name = "zone-without-type"
    says = "AWS chooses zone a for a subnet, and zone a offers no instance type"

    def refuse(self, call: Call) -> Refusal | None:
        if call.operation != "RunInstances" or self._zone_of(call) != f"{call.region}a":
            return None
        kind = call.fields["InstanceType"]
        return Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone "
            f"({call.region}a). Please retry your request by not specifying an Availability Zone or choosing "
            f"{call.region}b, {call.region}c.",
        )

    def ask(self, call: Call) -> dict[str, str]:
        free = call.operation == "CreateSubnet" and "AvailabilityZone" not in call.fields
        return {"AvailabilityZone": f"{call.region}a"} if free else {}

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation != "DescribeInstanceTypeOfferings":
            return body
        here = re.compile(
            rb"<item>(?:(?!</item>).)*<location>" + f"{call.region}a".encode() + rb"</location>.*?</item>",
            re.S,
        )
        return here.sub(b"", body)

    def _zone_of(self, call: Call) -> str:
        from moto.ec2.models import ec2_backends

        subnet = call.fields.get("SubnetId") or call.fields.get("NetworkInterface.1.SubnetId", "")
        for account in list(ec2_backends):
            for by_zone in ec2_backends[account][call.region].subnets.values():
                if subnet in by_zone:
                    return str(by_zone[subnet].availability_zone)
        return ""


class LaunchFails(Fault):
    """A pending instance may terminate without ever running; only its StateReason says why."""

    name = "launch-fails"
    says = "the first N instances end at once, with a StateReason"
    number = 1
    reason = ("Client.VolumeLimitExceeded", "Volume limit exceeded")

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._failed = 0

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation != "RunInstances" or self._failed >= self.value:
            return body
        self._failed += 1
        for instance in re.findall(r"<instanceId>(i-\w+)</instanceId>", body.decode()):
            ask("ModifyInstanceAttribute", {"InstanceId": instance, "DisableApiTermination.Value": "false"})
            ask("TerminateInstances", {"InstanceId.1": instance})
            self._give_reason(call.region, instance)
        return body

    def _give_reason(self, region: str, instance: str) -> None:
        from moto.ec2.models import ec2_backends
        from moto.ec2.models.instances import StateReason

        for account in list(ec2_backends):
            for one in ec2_backends[account][region].all_instances():
                if one.id == instance:
                    one.state_reason = StateReason(self.reason[1], self.reason[0])


class VolumeOptimizing(Fault):
    """A modified volume cannot be modified again for hours."""

    name = "volume-optimizing"
    says = "the change of a volume is not complete until the fault is switched off"

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._changing: set[str] = set()

    def refuse(self, call: Call) -> Refusal | None:
        volume = call.fields.get("VolumeId", "")
        if call.operation != "ModifyVolume" or volume not in self._changing:
            return None
        return Refusal(
            "IncorrectModificationState",
            f"Volume {volume} currently in modification state 'OPTIMIZING'. Please wait for completion.",
        )

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation == "ModifyVolume":
            self._changing.add(call.fields["VolumeId"])
        if call.operation in ("ModifyVolume", "DescribeVolumesModifications"):
            body = body.replace(b">completed<", b">optimizing<").replace(b"<progress>100<", b"<progress>35<")
        return body


class StaleReads(Fault):
    """Reads are eventually consistent: a resource created a moment ago may not be found yet."""

    name = "stale-reads"
    says = "a new resource is not found by the first N requests that name it"
    number = 1
    # EC2: prefix of an id -> the resource name in the error code.
    ids: ClassVar[dict[str, str]] = {
        "i": "InstanceID", "igw": "InternetGatewayID", "rtb": "RouteTableID", "sg": "Group",
        "subnet": "SubnetID", "vol": "Volume", "vpc": "VpcID", "vpce": "VpcEndpointId",
    }  # fmt: skip
    named: ClassVar[dict[str, str]] = {
        "CreateRole": "RoleName", "CreateInstanceProfile": "InstanceProfileName", "PutParameter": "Name",
    }  # fmt: skip
    new_id = re.compile(r"<\w+Id>((?:igw|i|rtb|sg|subnet|vol|vpce|vpc)-[0-9a-f]+)</")

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._unseen: Counter[str] = Counter()
        self._known: set[str] = set()

    def refuse(self, call: Call) -> Refusal | None:
        if call.operation in self.named:
            return None
        for value in call.fields.values():
            if self._unseen[value] > 0:
                self._unseen[value] -= 1
                return self._not_found(call, value)
        return None

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        found = self.new_id.findall(body.decode("utf-8", "replace")) if call.service == "ec2" else []
        if call.operation.startswith(("Create", "Run")):
            self._begin(*(one for one in found if one not in self._known))
        self._known.update(found)
        if call.operation in self.named:
            self._begin(call.fields[self.named[call.operation]])
        return body

    def _begin(self, *names: str) -> None:
        for name in set(names) - self._known:
            self._known.add(name)
            self._unseen[name] = self.value

    def _not_found(self, call: Call, value: str) -> Refusal:
        if call.service == "ssm":
            return Refusal("ParameterNotFound", "")
        if call.service == "iam":
            return Refusal("NoSuchEntity", f"The name {value} cannot be found.", HTTPStatus.NOT_FOUND)
        word = self.ids[value.partition("-")[0]]
        return Refusal(f"Invalid{word}.NotFound", f"The ID '{value}' does not exist")
