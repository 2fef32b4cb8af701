"""Keys for models on Bedrock: made from the role's credentials, alongside the host's other jobs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_bedrock_token_generator import provide_token
from botocore.credentials import Credentials

from ansible_collections.ragdock.host.plugins.modules.remote_keys import make, minutes_left, short_lived
from ansible_collections.ragdock.host.scripts import ragdock_job
from ansible_collections.ragdock.host.scripts.ragdock_job import Runner

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def session(credentials: Any) -> Any:
    """A session that provides the host role's credentials."""
    return SimpleNamespace(get_credentials=lambda: credentials)


def test_each_model_gets_a_key_in_a_file_of_its_own(tmp_path: Path) -> None:
    keys = [{"path": "remote/one", "region": "us-east-1"}, {"path": "remote/two", "region": "eu-west-1"}]
    minutes = make(
        tmp_path, keys, os.getuid(), session(Credentials("AKIA", "secret", "token")), provide_token
    )
    assert minutes == 720
    files = [tmp_path / "secrets" / one["path"] for one in keys]
    assert all(path.read_text().startswith("bedrock-api-key-") for path in files)
    assert files[0].read_text() != files[1].read_text()
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}
    assert "secret" not in files[0].read_text()


def test_without_a_role_no_key_is_made_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "secrets/remote").mkdir(parents=True)
    old = tmp_path / "secrets/remote/one"
    old.write_text("old")
    with pytest.raises(LookupError, match="no credentials"):
        make(tmp_path, [{"path": "remote/one", "region": "us-east-1"}], 0, session(None), provide_token)
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("left", "minutes"), [(timedelta(hours=6), 360), (timedelta(hours=30), 720), (timedelta(minutes=7), 7)]
)
def test_a_key_ends_with_the_credentials_that_signed_it(left: timedelta, minutes: int) -> None:
    assert minutes_left(SimpleNamespace(_expiry_time=NOW + left), NOW) == minutes


@pytest.mark.parametrize(("minutes", "least", "fails"), [(64, 65, True), (65, 65, False), (7, 0, False)])
def test_a_key_that_ends_before_the_next_run_raises_the_alarm(minutes: int, least: int, fails: bool) -> None:
    """A deployment (least 0) goes on: the job makes new ones."""
    said = short_lived(minutes, least)
    assert bool(said) is fails
    if fails:
        assert f"valid for {minutes} minutes only" in said
        assert "playbooks/keys.yml" in said


def test_the_job_waits_for_no_other(tmp_path: Path) -> None:
    """A backup may take longer than a key is valid."""
    jobs = {"backup": {"timeout_minutes": 1}, "keys": {"timeout_minutes": 1, "beside_others": True}}
    settings = {"root": str(tmp_path), "jobs": jobs}
    assert Runner("backup", settings).lock == ragdock_job.LOCK
    assert Runner("keys", settings).lock not in (ragdock_job.LOCK, Runner("backup", settings).lock)
