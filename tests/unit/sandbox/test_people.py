"""Whose access keys the sandbox's AWS accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.aws.people import administrator
from sandbox.cloud import AwsApi
from sandbox.errors import SandboxError
from sandbox.settings import CHECKOUT, INVENTORY, OPERATOR_KEYS, Sandbox


def test_playbooks_have_the_operators_keys() -> None:
    """`make up` deploys with the documented rights only."""
    settings = yaml.safe_load((CHECKOUT / INVENTORY / "settings.yml").read_text())
    given = [settings[f"ragdock_aws_{name}"] for name in ("access_key_id", "secret_access_key")]
    assert tuple(given) == OPERATOR_KEYS


def test_only_who_has_the_secret_knows_the_administrators_keys() -> None:
    """They look like any access key, because moto reads nothing else, and differ for each sandbox."""
    one, other = administrator(b"one"), administrator(b"other")
    assert not set(one) & set(other)
    assert one == administrator(b"one")
    assert re.fullmatch(r"[A-Z0-9]{20}", one.access)
    assert one.access not in one.secret


def test_the_sandboxs_parts_sign_as_the_administrator(tmp_path: Path) -> None:
    """All of their clients do, since these parts play AWS itself."""
    sandbox = Sandbox(checkout=tmp_path)
    sandbox.secret.parent.mkdir(parents=True)
    sandbox.secret.write_bytes(b"secret")
    api = AwsApi(sandbox)
    clients: list[Any] = [api.ec2, api.iam, api.sts, api.ssm, api.ecr, api.route53]
    for client in clients:
        signs = client._request_signer._credentials
        assert (signs.access_key, signs.secret_key) == administrator(b"secret")


def test_a_sandbox_that_never_ran_has_no_keys(tmp_path: Path) -> None:
    """The error says what to do."""
    with pytest.raises(SandboxError) as refused:
        AwsApi(Sandbox(checkout=tmp_path))
    assert refused.value.action == "Run: make up"
