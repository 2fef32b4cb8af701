"""Who has a key of the sandbox's AWS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.aws.people import administrator_key
from sandbox.cloud import AwsApi
from sandbox.errors import SandboxError
from sandbox.settings import CHECKOUT, INVENTORY, OPERATOR_KEY, Sandbox


def test_playbooks_have_the_operators_key() -> None:
    """`make up` deploys with the documented rights and no others."""
    settings = yaml.safe_load((CHECKOUT / INVENTORY / "settings.yml").read_text())
    assert settings["ragdock_aws_access_key_id"] == OPERATOR_KEY


def test_only_who_has_the_secret_knows_the_administrators_key() -> None:
    """It looks like any access key, for moto reads nothing else, and is another for each sandbox."""
    one, other = administrator_key(b"one"), administrator_key(b"other")
    assert one != other
    assert one == administrator_key(b"one")
    assert re.fullmatch(r"[A-Z0-9]{20}", one)


def test_the_sandboxs_parts_sign_as_the_administrator(tmp_path: Path) -> None:
    """Each of their clients, since they play AWS itself."""
    sandbox = Sandbox(checkout=tmp_path)
    sandbox.secret.parent.mkdir(parents=True)
    sandbox.secret.write_bytes(b"secret")
    api = AwsApi(sandbox)
    clients: list[Any] = [api.ec2, api.iam, api.sts, api.ssm, api.ecr, api.route53]
    for client in clients:
        assert client._request_signer._credentials.access_key == administrator_key(b"secret")


def test_a_sandbox_that_never_ran_has_no_key(tmp_path: Path) -> None:
    """And says what to do."""
    with pytest.raises(SandboxError) as refused:
        AwsApi(Sandbox(checkout=tmp_path))
    assert refused.value.action == "Run: make up"
