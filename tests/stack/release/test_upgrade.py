"""Upgrade from the previous version: nothing is lost, scheduled jobs still run, and a rollback works."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from sandbox import settings
from sandbox.cloud import AwsApi as Aws
from tests.stack import papers
from tests.stack.backup.vault import aws
from tests.stack.endpoint import CHECKOUT, ApiClient, Endpoint
from tests.stack.host import Host
from tests.stack.plays import SHARED, Outcome, beside, edit, play
from tests.stack.schedule.jobs import fired_by_cron, state
from tests.stack.soak import fault

pytestmark = fault

NAME = "before"
FRESH = beside(NAME, 79)
BEFORE = "c53b68441dc05545cbe715817417fc9c8fb8b814"  # v0.1.0
VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
# That version's inventory/sandbox reached a host at its private address, which only the sandbox of that time
# allowed: these settings are the ones for production. It also made the host's key pair in a way that no
# operator policy allows any more.
AS_ON_AWS = {
    "ragdock_ssh_address": "instance_id",
    "ragdock_ssh_common_args": (
        f"-o ProxyCommand='env PATH={CHECKOUT}/sandbox/session:/usr/bin:/bin aws ssm start-session"
        " --region {{ ragdock_region }} --endpoint-url {{ ragdock_aws_endpoint_url }}"
        " --target %h --document-name AWS-StartSSHSession --parameters portNumber=%p'"
    ),
}
# On AWS that version's first boot ended before the host could reach the internet, and the host stayed
# unreachable, so these files come from this version. The agent and its key are the sandbox's.
FIRST_BOOT = {
    "install-agent.sh": CHECKOUT / "roles/aws_host/files/install-agent.sh",
    "amazon-ssm-agent.asc": CHECKOUT / ".sandbox/agent/key.asc",
}
KINDS = ("pdf", "docx", "html", "md", "txt")
AGAIN_SECONDS = 600.0
CRON_SECONDS = 240.0


@pytest.fixture
def version_before(tmp_path: Path) -> Iterator[Path]:
    """A worktree of the previous version; afterwards its deployment is destroyed."""
    where = tmp_path / "before"
    git = ["git", "-C", str(CHECKOUT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(where), BEFORE], check=True)
    for name in SHARED:
        (where / name).symlink_to(CHECKOUT / name)
    for name, replacement in FIRST_BOOT.items():
        shutil.copy(replacement, where / "roles/aws_host/files" / name)
    s3 = "https://s3.{{ ragdock_region }}.amazonaws.com"
    edit(
        where,
        "roles/aws_host/templates/cloud-config.yml.j2",
        lambda text: text.replace(s3, settings.load().endpoint),
    )
    yield where
    play("playbooks/destroy.yml", *FRESH, "-e", f"confirm={NAME}", "-e", "keep_backups=false").good()
    subprocess.run([*git, "remove", "--force", str(where)], check=True)


@contextmanager
def api_of(name: str) -> Iterator[ApiClient]:
    """Yield a client of the API of another deployment in the sandbox."""
    (host,) = (one for one in Aws(settings.load()).observe().live if one.tags.get("ragdock:name") == name)
    ssm = aws("ssm")
    token, ca = (
        ssm.get_parameter(Name=f"/ragdock/{name}/{secret}", WithDecryption=True)["Parameter"]["Value"]
        for secret in ("api_token", "edge_ca_cert")
    )
    api = ApiClient(Endpoint(f"https://{host.public_ip}", token, ca))
    with api.http:
        yield api


def found(api: ApiClient, words: dict[str, str]) -> dict[str, list[str]]:
    """Map each document to the names of the documents whose passages contain its keyword."""
    return {
        name: sorted({hit["document"] for hit in api.search(word) if word in hit["passage"]})
        for name, word in words.items()
    }


def rebuilds(api: ApiClient) -> bool:
    """Return whether documents are being read into a new index, or wait to be read."""
    status = api.status()["ingestion"]
    return bool(status["rebuilding"] or status["documents_left"])


def conversation(api: ApiClient, question: str) -> str:
    """Begin a conversation with this question, wait for its answer, and return the conversation's id."""
    started = api.http.post("/api/conversations", json={"title": question})
    assert started.is_success, started.text
    identity = str(started.json()["id"])
    asked = api.http.post("/api/ask", json={"question": question, "conversation": identity})
    assert asked.is_success, asked.text
    return identity


def exchanges(api: ApiClient, identity: str) -> list[tuple[str, str]]:
    """Return the questions and answers of a conversation; none when it is gone."""
    reply = api.http.get(f"/api/conversations/{identity}")
    if reply.status_code == HTTPStatus.NOT_FOUND:
        return []
    return [(one["question"], one["answer"]["answer"]) for one in reply.json()["exchanges"]]


def test_an_upgrade_loses_nothing_and_can_be_rolled_back(version_before: Path) -> None:
    keys = settings.load().credentials
    administrator = {f"ragdock_{name}": value for name, value in keys.items()}
    given = (*FRESH, "-e", json.dumps(AS_ON_AWS | administrator))
    play("site.yml", *given, checkout=version_before).good()
    with api_of(NAME) as api:
        is_upgraded(api, Host(NAME), lambda: play("playbooks/backup.yml", *given, checkout=version_before))


def is_upgraded(api: ApiClient, host: Host, back_up_before: Callable[[], Outcome]) -> None:
    """Assert that documents and a conversation of the previous version survive an upgrade and a rollback.

    What is deleted after the upgrade comes back from a backup that the previous version has made.
    """
    words = {f"{kind}.{kind}": papers.word() for kind in KINDS}
    ids = {name: api.brought(name, papers.good(name.partition(".")[0], word)) for name, word in words.items()}
    for identity in ids.values():
        api.ready(identity)
    first = host.current()
    expected = {name: [name] for name in words}
    assert found(api, words) == expected
    talk = conversation(api, f"Where is {words['md.md']}?")
    said = exchanges(api, talk)
    assert len(said) == 1
    back_up_before().good()
    old_backup = state(host, "backup")["figures"]["id"]

    upgraded = play("site.yml", *FRESH).good()
    assert "TASK [Back up]" in upgraded.output
    second = host.current()
    assert second != first
    assert state(host, "backup")["release"] == first
    assert found(api, words) == expected, "while documents are read anew, the former index answers"
    assert exchanges(api, talk) == said
    host.wait("all documents are in the new index", lambda: not rebuilds(api), AGAIN_SECONDS)
    assert found(api, words) == expected
    assert {api.document(identity)["state"] for identity in ids.values()} == {"ready"}
    assert api.status()["version"] == VERSION
    assert play("site.yml", *FRESH).good().changed == 0
    assert fired_by_cron(host, "drift", CRON_SECONDS)["ok"]

    api.delete(ids["md.md"])
    assert api.http.delete(f"/api/conversations/{talk}").is_success
    assert (found(api, words)["md.md"], exchanges(api, talk)) == ([], [])
    play("playbooks/restore.yml", *FRESH, "-e", f"backup={old_backup}").good()
    host.wait("all documents are in the new index", lambda: not rebuilds(api), AGAIN_SECONDS)
    assert found(api, words) == expected
    assert exchanges(api, talk) == said

    play("playbooks/rollback.yml", *FRESH).good()
    assert host.current() == first
    assert found(api, words) == expected
    assert exchanges(api, talk) == said
    play("playbooks/rollback.yml", *FRESH, "-e", f"release={second}").good()
    assert found(api, words) == expected
    play("playbooks/verify.yml", *FRESH).good()
