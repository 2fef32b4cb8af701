"""Faults of a whole account: quotas, throttling, plan and regions."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar

from sandbox.aws.faults.call import Call
from sandbox.aws.faults.fault import Ask, Fault
from sandbox.aws.refusals import QUERY, Refusal


class Throttling(Fault):
    """AWS limits an account's requests per second."""

    name = "throttling"
    says = "every Nth request is refused as one too many"
    number = 3

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self._requests = 0

    def refuse(self, call: Call) -> Refusal | None:
        self._requests += 1
        if self._requests % self.value:
            return None
        if call.service == "ec2":
            return Refusal("RequestLimitExceeded", "Request limit exceeded.", HTTPStatus.SERVICE_UNAVAILABLE)
        if call.service == "s3":
            return Refusal("SlowDown", "Please reduce your request rate.", HTTPStatus.SERVICE_UNAVAILABLE)
        return Refusal("Throttling" if call.protocol == QUERY else "ThrottlingException", "Rate exceeded")


class FreePlan(Fault):
    """An account on the free plan can launch only instance types marked as free."""

    name = "free-plan"
    says = "the account is on the free plan"

    def refuse(self, call: Call) -> Refusal | None:
        if call.operation != "RunInstances" or call.fields["InstanceType"] in ("m7i-flex.large", "t3.micro"):
            return None
        return Refusal(
            "InvalidParameterCombination",
            "The specified instance type is not eligible for Free Tier. For a list of Free Tier "
            "instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'.",
        )


class QuotaUsedUp(Fault):
    """A new account has quotas of five addresses, five networks and a few vCPUs."""

    name = "quota-used-up"
    says = "no address, network or processor is left in the account"
    refused: ClassVar[dict[str, str]] = {
        "AllocateAddress": "AddressLimitExceeded",
        "CreateVpc": "VpcLimitExceeded",
        "RunInstances": "VcpuLimitExceeded",
    }

    def refuse(self, call: Call) -> Refusal | None:
        code = self.refused.get(call.operation)
        return Refusal(code, "You have reached the limit of your account in this region.") if code else None

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation == "GetServiceQuota":
            return re.sub(rb'"Value": [0-9.]+', b'"Value": 0.0', body)
        return body


class RegionDisabled(Fault):
    """Newer regions reject all credentials until the account has enabled the region."""

    name = "region-disabled"
    says = "the account has not enabled its regions, except us-east-1"

    def refuse(self, call: Call) -> Refusal | None:
        if call.region in ("", "us-east-1"):
            return None
        code = "AuthFailure" if call.service == "ec2" else "InvalidClientTokenId"
        return Refusal(code, "The security token included in the request is invalid.", HTTPStatus.FORBIDDEN)

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        if call.operation == "DescribeRegions":
            return body.replace(b"opt-in-not-required", b"not-opted-in")
        return body
