"""Faults on the way to a release: each gives one message to act on, and leaves nothing half changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bcrypt
import pytest

from sandbox import settings
from tests.stack import papers
from tests.stack.endpoint import ApiClient
from tests.stack.host import Host
from tests.stack.plays import Run, copy_of_checkout, edit, play
from tests.stack.soak import fault

pytestmark = fault
APP = "services/rag-app/src/rag_app/__init__.py"
DOCKERFILE = "services/landing/Dockerfile"
# The space that release_stage requires to stay free.
DISK_RESERVE_MIB = 1024


@pytest.fixture(autouse=True)
def _old_release_serves(api: ApiClient, host: Host) -> object:
    """Whatever fails here, the same release keeps serving, and nothing was restarted."""
    before = host.current(), host.started()
    yield
    assert (host.current(), host.started()) == before
    assert api.status()["release"] == before[0]


def test_a_broken_dockerfile_names_the_step(tmp_path: Path) -> None:
    """The failing line of the Dockerfile is in the message."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, DOCKERFILE, lambda text: f"{text}\nRUN echo broken-on-purpose >&2 && false\n")
    play("playbooks/deploy.yml", checkout=copy).refused("landing", "Dockerfile", "broken-on-purpose")


def test_a_registry_that_is_away_is_named(tmp_path: Path) -> None:
    """The registry is stopped: the message names it and the next step."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
    registry = _part("registry")
    subprocess.run(["docker", "stop", registry], check=True, capture_output=True)
    try:
        play("playbooks/deploy.yml", checkout=copy).refused("registry")
    finally:
        subprocess.run(["docker", "start", registry], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("refusing_from", "words"),
    [
        ("PLAY [Build]", ("registry", "refuses this machine's login", "401", "docs/policies/operator.json")),
        ("PLAY [Deploy]", ("registry did not give", "rag-app", "host's role must be allowed")),
    ],
    ids=["push", "pull"],
)
def test_a_registry_that_refuses_the_login_is_named(
    refusing_from: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    """The operator's login is refused before anything is pushed, the host's before anything is started."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
    run = Run(copy, "playbooks/deploy.yml")
    run.until(lambda line: refusing_from in line)
    # The registry reads its logins again whenever the file has changed.
    logins = settings.load().state / "registry" / "htpasswd"
    right = logins.read_text()
    user = right.partition(":")[0]
    try:
        logins.write_text(f"{user}:{bcrypt.hashpw(papers.word().encode(), bcrypt.gensalt(4)).decode()}\n")
        run.end().refused(*words)
    finally:
        logins.write_text(right)


def test_limits_over_the_hosts_memory_are_refused() -> None:
    """Preflight adds the limits up before anything is touched."""
    limits = {
        "opensearch": 65536, "ollama": 65536, "models": 64, "rag-app": 640, "rag-worker": 640, "landing": 160,
        "edge": 128,
    }  # fmt: skip
    play("site.yml", "-e", json.dumps({"ragdock_memory_limits": limits})).refused("memory", "ragdock_")


def test_a_disk_without_room_is_said_before_anything_is_pulled(host: Host, tmp_path: Path) -> None:
    """The host's disk is filled up to the reserve that a release must leave: refused, with the figures."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
    filler = host.run("docker", "info", "--format", "{{.DockerRootDir}}").strip() + "/ragdock-test-filler"
    free = int(host.run("df", "--output=avail", "--block-size=1M", str(Path(filler).parent)).split()[-1])
    # Sandbox hosts share this machine's disk: the rest is too little for a release, but enough for others.
    host.run("fallocate", "--length", f"{free - DISK_RESERVE_MIB}M", filler)
    try:
        play("playbooks/deploy.yml", checkout=copy).refused("MiB free", "rag-app")
    finally:
        host.run("rm", "--force", filler)


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/status.yml"])
def test_a_host_that_does_not_answer_ssh_is_named(host: Host, playbook: str) -> None:
    """sshd is stopped: the message names the host and what to check; the service is not disturbed."""
    host.run("systemctl", "stop", "ssh")
    # Connections that an earlier run keeps open would still work.
    host.run("pkill", "sshd-session", check=False)
    try:
        play(playbook, "-e", "host_baseline_reach_timeout_seconds=5").refused("answer SSH", "EC2", "run")
    finally:
        host.run("systemctl", "start", "ssh")


def _part(part: str) -> str:
    """Return the name of one of the sandbox's containers."""
    words = [f"label=ragdock.sandbox={settings.load().name}", f"label=ragdock.sandbox.part={part}"]
    filters = [word for one in words for word in ("--filter", one)]
    listed = subprocess.run(
        ["docker", "ps", "--format", "{{.Names}}", *filters], capture_output=True, text=True, check=True
    )
    return listed.stdout.strip()
