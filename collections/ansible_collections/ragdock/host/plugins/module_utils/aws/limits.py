"""What an account allows a new deployment: quotas, and AWS's free plan."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import quick

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

# The only region that answers questions about the free plan.
PLAN_REGION = "us-east-1"
ALIVE = ["pending", "running"]
# The quota of vCPUs for a type: by the first letter of its family.
STANDARD = ("L-1216C47A", "vCPUs of running standard instances", "acdhimrtz")
ACCELERATED = ("L-DB2E81BA", "vCPUs of running G and VT instances", "gv")
TRAINING = ("L-417A185B", "vCPUs of running P instances", "p")


class Quota(NamedTuple):
    """A limit of the account."""

    what: str
    service: str
    code: str
    used: int
    more: int
    limit: float | None

    @property
    def enough(self) -> bool:
        """Whether there is room; an unknown limit is no reason to refuse."""
        return self.limit is None or self.used + self.more <= self.limit

    @property
    def figure(self) -> str:
        """The limit in words."""
        known = "an unknown limit" if self.limit is None else f"{self.limit:g}"
        return f"{self.used} of {known} used, {self.more} needed"


def _limit(quotas: Any, service: str, code: str) -> float | None:
    """The account's limit; None if AWS does not report it, or not to these credentials."""
    try:
        return float(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except (BotoCoreError, ClientError):
        return None


def _running(ec2: Any, families: str) -> int:
    """The vCPUs of the account's running on-demand instances of these families."""
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-state-name", "Values": ALIVE}]
    )
    kinds = [
        one["InstanceType"]
        for page in pages
        for group in page["Reservations"]
        for one in group["Instances"]
        if one["InstanceType"][0] in families and one.get("InstanceLifecycle") != "spot"
    ]
    if not kinds:
        return 0
    types = ec2.describe_instance_types(InstanceTypes=sorted(set(kinds)))["InstanceTypes"]
    vcpus = {one["InstanceType"]: int(one["VCpuInfo"]["DefaultVCpus"]) for one in types}
    return sum(vcpus[kind] for kind in kinds)


def quotas_of(client: Any, name: str, kinds: list[dict[str, Any]]) -> list[Quota]:
    """For each limited kind, what the deployment still needs and what the account has left.

    KINDS are the types of the hosts that are yet to be launched.
    """
    ec2, quotas = client("ec2"), client("service-quotas")
    found = []
    for what, code, service, listed in (
        ("Elastic IP addresses", "L-0263D0A3", "ec2", ec2.describe_addresses()["Addresses"]),
        ("networks (VPCs)", "L-F678F1CE", "vpc", ec2.describe_vpcs()["Vpcs"]),
    ):
        mine = [one for one in listed if {"Key": "ragdock:name", "Value": name} in one.get("Tags", [])]
        found.append(Quota(what, service, code, len(listed), int(not mine), _limit(quotas, service, code)))
    for code, what, families in (STANDARD, ACCELERATED, TRAINING):
        more = sum(
            int(kind["VCpuInfo"]["DefaultVCpus"]) for kind in kinds if kind["InstanceType"][0] in families
        )
        if more:
            used = _running(ec2, families)
            found.append(Quota(what, "ec2", code, used, more, _limit(quotas, "ec2", code)))
    return found


def assert_room(quotas: list[Quota], region: str) -> None:
    """Refuse a run that would fail half-way because of a quota."""
    full = [
        f"This account has no room for this deployment in {region}: {one.what}, {one.figure}. Remove one "
        "that is not used, or ask AWS for more: aws service-quotas request-service-quota-increase --region "
        f"{region} --service-code {one.service} --quota-code {one.code} --desired-value "
        f"{one.used + one.more}"
        for one in quotas
        if not one.enough
    ]
    if full:
        raise RefusalError("\n".join(full))


def assert_plan(
    session: Any, ec2: Any, kind: dict[str, Any], needed_mib: int, setting: str = "ragdock_instance_type"
) -> str:
    """The account's plan; refuse a type that the free plan does not launch. Empty when AWS does not say."""
    client = session.client("freetier", region_name=PLAN_REGION, config=quick(1))
    try:
        plan = str(client.get_account_plan_state()["accountPlanType"])
    except (BotoCoreError, ClientError):
        return ""
    if plan != "FREE" or kind.get("FreeTierEligible"):
        return plan
    eligible = ec2.describe_instance_types(Filters=[{"Name": "free-tier-eligible", "Values": ["true"]}])
    fitting = sorted(
        one["InstanceType"]
        for one in eligible["InstanceTypes"]
        if "x86_64" in one["ProcessorInfo"]["SupportedArchitectures"]
        and one["MemoryInfo"]["SizeInMiB"] >= needed_mib
    )
    choose = f"Set {setting} to {' or '.join(fitting)}, or upgrade" if fitting else "Upgrade"
    raise RefusalError(
        f"This account is on AWS's free plan, which launches no {kind['InstanceType']} "
        f"({setting}). {choose} the account to the paid plan: AWS console, Billing and Cost "
        "Management, Upgrade plan."
    )
