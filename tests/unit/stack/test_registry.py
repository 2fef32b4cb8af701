"""A host with nothing but Python signs like AWS's own library; docker's token is seen by nobody else."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Known

from ansible_collections.ragdock.host.plugins.module_utils.registry import (
    Credentials,
    RegistryError,
    logged_in,
    region_of,
    registry_of,
    signed_headers,
)

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("url", ["https://api.ecr.eu-central-1.amazonaws.com/", "http://10.99.0.2:5000/"])
def test_the_signature_is_the_one_of_botocore(url: str) -> None:
    target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    mine = signed_headers(
        url, "{}", target, "eu-central-1", Credentials("AKID", "secret", "session"), dt.datetime.now(dt.UTC)
    )
    request = AWSRequest("POST", url, data="{}")
    request.headers["content-type"] = "application/x-amz-json-1.1"
    request.headers["x-amz-target"] = target
    signer = SigV4Auth(Known("AKID", "secret", "session"), "ecr", "eu-central-1")
    request.context["timestamp"] = mine["x-amz-date"]
    request.headers["x-amz-date"] = mine["x-amz-date"]
    request.headers["x-amz-security-token"] = "session"
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert mine["authorization"].endswith(f"Signature={expected}")


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
