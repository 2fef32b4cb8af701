#!/usr/bin/python
"""Checks against AWS whether this run may start: account, region, name, instance type, image, domain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_preflight
short_description: Find out, before anything changes, whether AWS will let this run succeed
description:
  - Checks credentials, account, region, instance type and its memory, image, the deployment's
    name and the domain's zone in one process. Changes nothing. Fails with every problem at once.
options:
  name: {description: The deployment's name., type: str, required: true}
  region: {description: The region., type: str, required: true}
  account: {description: The only account to accept; empty for any., type: str, default: ""}
  known_id: {description: The deployment's id as this checkout remembers it., type: str, default: ""}
  adopt: {description: Accept a deployment that another checkout made., type: bool, default: false}
  instance_type: {description: The host's type., type: str, required: true}
  memory_limits: {description: MiB by service., type: dict, required: true}
  reserve_mib: {description: MiB for the host itself., type: int, required: true}
  ami_id: {description: A fixed image., type: str, default: ""}
  ami_parameter: {description: The parameter that names the image., type: str, required: true}
  domain: {description: The public host name., type: str, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: AWS is ready for this deployment
  ragdock.host.aws_preflight:
    name: research
    region: eu-central-1
    instance_type: t3.large
    memory_limits: {opensearch: 2048}
    reserve_mib: 1024
    ami_parameter: /aws/service/debian/release/13/latest/amd64
"""

RETURN = r"""
account: {description: Account of the credentials., type: str, returned: always}
deployment_id: {description: Identity of the deployment; new when there is none., type: str, returned: always}
exists: {description: Has this deployment a network already., type: bool, returned: always}
ami_id: {description: The image a new host would get., type: str, returned: always}
memory_mib: {description: Memory of the instance type., type: int, returned: always}
zone_id: {description: Route 53 zone of the domain; empty without one., type: str, returned: always}
"""

import difflib
import secrets
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import quick
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
    from botocore.parsers import ResponseParserError

ATTEMPTS = 3

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")


class RefusalError(Exception):
    """The run must not start. The text says why and what to do."""


def code_of(error: Exception) -> str:
    """AWS's code of an error, or its class's name."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def region_problem(session: Any, region: str) -> str | None:
    """Is there such a region?"""
    known = [
        name
        for part in session.get_available_partitions()
        for name in session.get_available_regions("ec2", part)
    ]
    if region in known:
        return None
    near = ", ".join(sorted(difflib.get_close_matches(region, known, n=3)))
    return f"ragdock_region is '{region}', which is no AWS region" + (f"; near it: {near}." if near else ".")


def account_of(session: Any, wanted: str) -> str:
    """The account of the credentials, or an error that says what is wrong with them."""
    client = session.client("sts", config=quick(ATTEMPTS))
    try:
        found = str(client.get_caller_identity()["Account"])
    except ResponseParserError:
        raise RefusalError(
            f"What answers at {client.meta.endpoint_url} is not AWS: its answer cannot be read. "
            "Is there a proxy, or a portal that requires a login? With ragdock_aws_endpoint_url set, "
            "check that its server runs (the sandbox's: make up)."
        ) from None
    except NoCredentialsError:
        raise RefusalError(
            "No AWS credentials were found. Log in (aws sso login, aws configure) or set ragdock_aws_profile "
            "to a profile of ~/.aws/config."
        ) from None
    except (BotoCoreError, ClientError) as error:
        if code_of(error) in EXPIRED:
            raise RefusalError(
                f"The AWS credentials have expired ({code_of(error)}). Log in again (aws sso login)."
            ) from None
        raise RefusalError(
            f"AWS does not accept the credentials, or does not answer ({code_of(error)}: {error}). "
            "Check them with: aws sts get-caller-identity; with ragdock_aws_endpoint_url set, "
            "check that something answers there."
        ) from None
    if wanted and found != wanted:
        raise RefusalError(
            f"The AWS credentials belong to account {found}, but ragdock_aws_account_id is {wanted}. "
            "Choose the right profile (ragdock_aws_profile or AWS_PROFILE), or correct the account."
        )
    return found


def memory_of(ec2: Any, params: dict[str, Any]) -> int:
    """MiB of the instance type, which must be x86_64 and have room for the sum of the limits."""
    kind = params["instance_type"]
    try:
        answer = ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    except ClientError as error:
        if code_of(error) not in ("InvalidInstanceType", "InvalidParameterValue"):
            raise
        answer = []
    if not answer:
        raise RefusalError(
            f"ragdock_instance_type is '{kind}', which {params['region']} does not offer. "
            "List what it offers with: aws ec2 describe-instance-types --query InstanceTypes[].InstanceType"
        )
    if "x86_64" not in answer[0]["ProcessorInfo"]["SupportedArchitectures"]:
        raise RefusalError(
            f"ragdock_instance_type '{kind}' is not x86_64, which the images are built for. Choose t3.large."
        )
    memory = int(answer[0]["MemoryInfo"]["SizeInMiB"])
    limits = {name: int(value) for name, value in params["memory_limits"].items()}
    needed = sum(limits.values()) + params["reserve_mib"]
    if needed > memory:
        each = ", ".join(
            f"{name} {value}" for name, value in sorted(limits.items(), key=lambda item: -item[1])
        )
        raise RefusalError(
            f"The stack needs {needed} MiB ({each}, host reserve {params['reserve_mib']}), "
            f"but a {kind} has {memory} MiB: {needed - memory} too few. "
            "Choose a larger ragdock_instance_type or lower ragdock_memory_limits."
        )
    return memory


def image_of(ssm: Any, params: dict[str, Any]) -> str:
    """The image for a new host."""
    if params["ami_id"]:
        return str(params["ami_id"])
    try:
        return str(ssm.get_parameter(Name=params["ami_parameter"])["Parameter"]["Value"])
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        raise RefusalError(
            f"ragdock_ami_ssm_parameter is '{params['ami_parameter']}', "
            f"which does not exist in {params['region']}. "
            "Debian publishes /aws/service/debian/release/13/latest/amd64; or set ragdock_ami_id."
        ) from None


def identity_of(ec2: Any, params: dict[str, Any]) -> tuple[str, bool]:
    """The deployment's id and whether it exists; a name that another checkout uses is refused."""
    name, known = params["name"], params["known_id"]
    networks = ec2.describe_vpcs(Filters=[{"Name": "tag:ragdock:name", "Values": [name]}])["Vpcs"]
    if not networks:
        return known or secrets.token_hex(6), False
    tags = {tag["Key"]: tag["Value"] for tag in networks[0]["Tags"]}
    found = tags.get("ragdock:deployment", "")
    if found == known or params["adopt"]:
        return found, True
    raise RefusalError(
        f"The name '{name}' is used by another deployment in this account and region "
        f"(id {found or 'unknown'}, network {networks[0]['VpcId']}; this checkout knows {known or 'none'}). "
        "Choose another ragdock_name. "
        f"If it is yours, copy .ragdock/{name}/ (it has the SSH key) from the checkout that made it, "
        "then run with -e adopt=true."
    )


def zone_of(route53: Any, domain: str) -> str:
    """The hosted zone of the domain: the one with the longest matching name."""
    pages = route53.get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"] if not zone["Config"].get("PrivateZone")]
    fitting = [zone for zone in zones if f".{domain}.".endswith(f".{zone['Name']}")]
    if not fitting:
        names = ", ".join(zone["Name"].rstrip(".") for zone in zones) or "none"
        raise RefusalError(
            f"ragdock_domain is '{domain}', but no public Route 53 zone of this account contains it "
            f"(zones: {names}). Make the zone first (docs/operate/aws.md), or leave ragdock_domain empty."
        )
    return str(max(fitting, key=lambda zone: len(zone["Name"]))["Id"].rpartition("/")[2])


def examine(params: dict[str, Any]) -> dict[str, Any]:
    """Every check; raises one refusal with all that is wrong."""
    try:
        session = boto3.session.Session()
        problem = region_problem(session, params["region"])
    except ProfileNotFound as error:
        raise RefusalError(
            f"{error}. Correct ragdock_aws_profile (or AWS_PROFILE); "
            "list yours with: aws configure list-profiles."
        ) from None
    if problem:
        raise RefusalError(problem)
    facts: dict[str, Any] = {"account": account_of(session, params["account"]), "zone_id": ""}
    ec2, ssm = session.client("ec2", config=quick(ATTEMPTS)), session.client("ssm", config=quick(ATTEMPTS))
    checks: dict[str, Any] = {
        "memory_mib": lambda: memory_of(ec2, params),
        "ami_id": lambda: image_of(ssm, params),
        "identity": lambda: identity_of(ec2, params),
    }
    if params["domain"]:
        checks["zone_id"] = lambda: zone_of(
            session.client("route53", config=quick(ATTEMPTS)), params["domain"]
        )
    problems = []
    for fact, check in checks.items():
        try:
            facts[fact] = check()
        except RefusalError as refusal:
            problems.append(str(refusal))
        except (BotoCoreError, ClientError) as error:
            problems.append(
                f"AWS refused a question ({error}). Compare your rights with docs/policies/operator.json."
            )
    if problems:
        raise RefusalError("\n".join(problems))
    facts["deployment_id"], facts["exists"] = facts.pop("identity")
    return facts


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "account": {"type": "str", "default": ""},
            "known_id": {"type": "str", "default": ""},
            "adopt": {"type": "bool", "default": False},
            "instance_type": {"type": "str", "required": True},
            "memory_limits": {"type": "dict", "required": True},
            "reserve_mib": {"type": "int", "required": True},
            "ami_id": {"type": "str", "default": ""},
            "ami_parameter": {"type": "str", "required": True},
            "domain": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    try:
        facts = examine(module.params)
    except RefusalError as refusal:
        module.fail_json(msg=f"{refusal}\nNothing was changed.")
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
