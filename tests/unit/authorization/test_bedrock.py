"""Short-term Bedrock keys, made by AWS's own library and checked by the sandbox."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from aws_bedrock_token_generator import BedrockTokenGenerator
from botocore.credentials import Credentials

from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.judge import Judge
from sandbox.aws.bedrock import PREFIX, BedrockKeys, RefusedError
from tests.local_aws import ADMINISTRATOR, REGION, JudgedAws, judged_aws
from tests.unit.authorization.conftest import ACCOUNT, OPERATOR_POLICIES, TRUSTS_EC2, assume, deploy

MODEL = "openai.gpt-oss-20b-1:0"


def credentials_of(aws: JudgedAws, role: str) -> Credentials:
    """The role's credentials, as the instance metadata service hands them out."""
    given = assume(aws, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}")
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@pytest.fixture(scope="module")
def bedrock_aws() -> Iterator[JudgedAws]:
    """A deployment whose host may use Bedrock, and a role without any right."""
    with judged_aws(OPERATOR_POLICIES) as found:
        deploy(found, "demo")
        found.client("iam").create_role(RoleName="nobody", AssumeRolePolicyDocument=TRUSTS_EC2)
        yield found


@pytest.fixture(scope="module")
def keys() -> BedrockKeys:
    """The checker of keys."""
    account = Account(ACCOUNT, REGION)
    return BedrockKeys(Judge(lambda _environ, _start: [], account, ADMINISTRATOR), account)


def made(credentials: Credentials, region: str = REGION) -> str:
    """A key made from these credentials."""
    return str(BedrockTokenGenerator().get_token(credentials, region))


def check(keys: BedrockKeys, key: str, **changes: Any) -> str:
    """Check a key for a request that asks the model now."""
    asked: dict[str, Any] = {
        "model": MODEL,
        "region": REGION,
        "streams": True,
        "at": dt.datetime.now(dt.UTC),
    }
    return keys.check(key, **{**asked, **changes})


@pytest.mark.parametrize("streams", [True, False])
def test_a_key_that_the_hosts_role_signed_opens_a_model(
    bedrock_aws: JudgedAws, keys: BedrockKeys, streams: bool
) -> None:
    key = made(credentials_of(bedrock_aws, "ragdock-demo-host"))
    assert "ragdock-demo-host" in check(keys, key, streams=streams)


def test_a_key_of_who_has_no_right_is_refused(bedrock_aws: JudgedAws, keys: BedrockKeys) -> None:
    with pytest.raises(RefusedError, match="not authorized to perform: bedrock:CallWithBearerToken"):
        check(keys, made(credentials_of(bedrock_aws, "nobody")))


def test_a_key_ends_with_the_session_that_signed_it_and_is_of_one_region(
    bedrock_aws: JudgedAws, keys: BedrockKeys
) -> None:
    credentials = credentials_of(bedrock_aws, "ragdock-demo-host")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12, minutes=1)
    with pytest.raises(RefusedError, match="ended session"):
        check(keys, made(credentials), at=later)
    with pytest.raises(RefusedError, match="eu-west-1"):
        check(keys, made(credentials, "eu-west-1"))


def test_a_key_that_was_signed_with_another_secret_is_refused(
    bedrock_aws: JudgedAws, keys: BedrockKeys
) -> None:
    """The id of an access key is not secret, so it must not be enough."""
    good = credentials_of(bedrock_aws, "ragdock-demo-host")
    with pytest.raises(RefusedError, match="signature"):
        check(keys, made(Credentials(good.access_key, "guessed", good.token)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("Action=CallWithBearerToken", "Action=DeleteModel"), ("Expires=43200", "Expires=604800")],
)
def test_a_key_that_was_changed_is_refused(
    bedrock_aws: JudgedAws, keys: BedrockKeys, old: str, new: str
) -> None:
    text = base64.b64decode(
        made(credentials_of(bedrock_aws, "ragdock-demo-host")).removeprefix(PREFIX)
    ).decode()
    assert old in text
    changed = PREFIX + base64.b64encode(text.replace(old, new).encode()).decode()
    with pytest.raises(RefusedError):
        check(keys, changed)


@pytest.mark.parametrize(
    "key", ["", "sk-of-somebody", f"{PREFIX}!", PREFIX + base64.b64encode(b"x").decode()]
)
def test_what_is_no_key_is_refused(keys: BedrockKeys, key: str) -> None:
    with pytest.raises(RefusedError, match="no key of Bedrock"):
        check(keys, key)
