"""The host gets a registry token with its role; nobody else sees the token that docker uses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ansible_collections.ragdock.host.plugins.module_utils.aws import session
from ansible_collections.ragdock.host.plugins.module_utils.registry import (
    RegistryError,
    ecr_token,
    logged_in,
    region_of,
    registry_of,
)
from tests.local_aws import local_aws

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def test_the_hosts_role_gets_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local AWS accepts any keys."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with local_aws() as address:
        assert ecr_token("eu-central-1", address)


def test_a_host_without_a_role_is_reported_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metadata service answers but has no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(RegistryError, match=r"no role credentials.*provision\.yml attaches"):
        ecr_token("eu-central-1", "http://127.0.0.1:9")


def test_a_refused_token_names_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains ECR's own."""

    class Refusing:
        def get_authorization_token(self) -> None:
            raise ClientError({"Error": {"Message": "not authorized"}}, "GetAuthorizationToken")

    monkeypatch.setattr(session, "host_client", lambda *_: Refusing())
    with pytest.raises(RegistryError, match=r"not authorized.*ecr:GetAuthorizationToken"):
        ecr_token("eu-central-1", "")


def test_docker_gets_the_token_from_its_own_environment_only() -> None:
    with logged_in(REGISTRY, "the-token") as environment:
        home = Path(environment["DOCKER_CONFIG"])
        answer = subprocess.run(
            ["docker-credential-ragdock", "get"],
            input=REGISTRY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(answer.stdout) == {"ServerURL": REGISTRY, "Username": "AWS", "Secret": "the-token"}
        assert all("the-token" not in path.read_text() for path in home.iterdir())
        assert json.loads((home / "config.json").read_text()) == {"credHelpers": {REGISTRY: "ragdock"}}
        assert home.stat().st_mode & 0o077 == 0
    assert not home.exists()


def test_registry_and_region_stand_in_the_reference() -> None:
    ref = f"{REGISTRY}/ragdock/demo/edge@sha256:0"
    assert (registry_of(ref), region_of(registry_of(ref))) == (REGISTRY, "eu-central-1")


def test_another_registry_is_refused() -> None:
    with pytest.raises(RegistryError, match=r"registry\.example\.org is not an ECR registry"):
        region_of("registry.example.org")
