"""Someone who reads the bucket of the backups, and nothing else."""

from __future__ import annotations

from typing import Any

from sandbox import settings
from tests.stack.backup.vault import aws
from tests.stack.endpoint import ApiClient, value
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.test_secrets import named_in, secrets_of


def test_the_bucket_shows_no_document_no_name_and_no_secret(api: ApiClient, host: Host) -> None:
    """Every stored byte is searched for the names of documents and for each secret."""
    names = [one["name"] for one in api.http.get("/api/documents").json()["documents"]]
    secrets, read = secrets_of(host), 0
    for key, body in stored() or backed_up():
        text = key + body.decode("latin-1")
        read += len(body)
        assert not [name for name in names if name in text], key
        assert not named_in(text, secrets), (key, named_in(text, secrets))
    assert read > 10_000, "nothing was read"


def stored() -> list[tuple[str, bytes]]:
    """Return key and content of every object in the bucket."""
    s3: Any = aws("s3")
    bucket = f"ragdock-{value('name')}-{settings.ACCOUNT}"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return [(key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def backed_up() -> list[tuple[str, bytes]]:
    """Make a first backup, and return the objects in the bucket."""
    play("playbooks/backup.yml").good()
    return stored()
