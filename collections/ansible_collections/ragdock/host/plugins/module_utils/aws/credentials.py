"""Checks the credentials: whose they are, and whether every module can use them in this region."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.refusal import RefusalError, code_of
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import quick

with suppress(ImportError):
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
    from botocore.parsers import ResponseParserError

ATTEMPTS = 3
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
# Error codes of a region that the account has not enabled; wrong credentials give the same ones.
UNKNOWN_THERE = ("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException")
# A region in which every account can list its regions.
FIRST_REGION = "us-east-1"
PARTITION = "aws"


def session_of(region: str) -> Any:
    """A session in the region, or an error that says what is wrong with the profile or the region."""
    _one_kind()
    try:
        session = boto3.session.Session(region_name=region)
    except ProfileNotFound as error:
        raise RefusalError(
            f"{error}. Correct ragdock_aws_profile (or AWS_PROFILE); "
            "list yours with: aws configure list-profiles."
        ) from None
    _no_code(session)
    _in_partition(session, region)
    return session


def _one_kind() -> None:
    """Refuse a profile beside keys, as the collections' modules do; boto3 would silently use the profile."""
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    keys = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY") if os.environ.get(name)]
    if profile and keys:
        raise RefusalError(
            f"Both a profile ('{profile}', of ragdock_aws_profile or AWS_PROFILE) and access keys "
            f"({keys[0]} in the environment) are given, and they may belong to different accounts. "
            "Keep one: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN, "
            "or unset AWS_PROFILE and leave ragdock_aws_profile empty."
        )


def _no_code(session: Any) -> None:
    """Refuse a profile that needs an MFA code: every module would ask for it, and nobody could answer."""
    known = session._session.full_config.get("profiles", {})
    name: str | None = session.profile_name
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        profile = known.get(name, {})
        if "role_arn" in profile and "mfa_serial" in profile:
            raise RefusalError(
                f"The profile '{session.profile_name}' asks for a code of your MFA device "
                f"({profile['mfa_serial']}) each time it is used, and no module can type one. Get "
                "credentials that last, then run with them: "
                f'eval "$(aws configure export-credentials --profile {session.profile_name} --format env)"; '
                "unset AWS_PROFILE and leave ragdock_aws_profile empty."
            )
        name = profile.get("source_profile")


def _in_partition(session: Any, region: str) -> None:
    """Refuse a region that does not exist, or whose partition is not the one in our policies' ARNs."""
    known = {
        name: part
        for part in session.get_available_partitions()
        for name in session.get_available_regions("ec2", part)
    }
    if region not in known:
        near = ", ".join(sorted(difflib.get_close_matches(region, known, n=3)))
        raise RefusalError(
            f"ragdock_region is '{region}', which is no AWS region" + (f"; near it: {near}." if near else ".")
        )
    if known[region] != PARTITION:
        raise RefusalError(
            f"ragdock_region is '{region}', which belongs to {known[region]}, a partition of AWS with "
            f"accounts, names (arn:{known[region]}:...) and images of its own. Ragdock supports the regions "
            "of the partition aws only: choose one, such as eu-central-1."
        )


def account_of(session: Any, wanted: str) -> tuple[str, str]:
    """The account of the credentials, and the ARN of their user or role.

    Raises RefusalError, which says what is wrong.
    """
    client = session.client("sts", config=quick(ATTEMPTS))
    try:
        answer = client.get_caller_identity()
        found = str(answer["Account"])
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
        if code_of(error) in UNKNOWN_THERE:
            _enabled(session)
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
    return found, str(answer["Arn"])


def _enabled(session: Any) -> None:
    """Refuse a region that the account has not enabled: it would reject all of the account's credentials."""
    region = session.region_name
    ec2 = session.client("ec2", region_name=FIRST_REGION, config=quick(ATTEMPTS))
    try:
        (found,) = ec2.describe_regions(RegionNames=[region], AllRegions=True)["Regions"]
    except (BotoCoreError, ClientError, ValueError):
        return
    if found.get("OptInStatus") == "not-opted-in":
        raise RefusalError(
            f"ragdock_region is '{region}', which is not enabled in this account. Enable it with: "
            f"aws account enable-region --region-name {region} (AWS takes minutes to hours; "
            f"aws account get-region-opt-status --region-name {region} shows ENABLED), or choose another "
            "region."
        )
