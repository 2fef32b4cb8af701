"""Fixtures of the rotation tests: they use a mocked Parameter Store, and no credentials of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from ansible_collections.ragdock.host.plugins.module_utils.secret_store import Store
from tests.unit.real_restic import restic as restic

PATH = "/ragdock/tried/"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that holds two secrets."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        filled = Store(boto3.client("ssm", region_name="eu-central-1"), PATH, {"ragdock:name": "tried"})
        filled.add("api_token", "the-token-that-was")
        filled.add("restic_password", "the-password-that-was")
        yield filled
