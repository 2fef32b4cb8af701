"""A release is a transaction: no one notices a good one, and a bad one leaves the old one serving."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.stack import papers
from tests.stack.endpoint import ApiClient, Endpoint
from tests.stack.host import Host
from tests.stack.load import Load, Streams
from tests.stack.plays import copy_of_checkout, edit, play
from tests.stack.schedule.jobs import state
from tests.stack.soak import fault

pytestmark = fault
APP = "services/rag-app/src/rag_app/__init__.py"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the checkout with a changed rag-app that works."""
    copy = copy_of_checkout(tmp_path)
    edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
    return copy


@pytest.fixture
def lighthouse(api: ApiClient) -> None:
    """A document to answer from; it stays for the tests that follow."""
    api.ready(api.brought("lighthouse.md", papers.good("md", "Skerryvore")))


def serves(api: ApiClient, host: Host, release: str) -> None:
    """Assert that this release is current and answers through the endpoint."""
    assert host.current() == release
    assert api.status()["release"] == release
    assert api.http.get("/").is_success


def last_backup(host: Host, at: str) -> None:
    """Set the time of the newest backup in its record."""
    output = json.dumps({**state(host, "backup"), "last_success": at})
    host.run("tee", "/opt/ragdock/state/backup.json", given=output)


def test_a_second_run_changes_nothing_and_restarts_nothing(host: Host) -> None:
    """The whole site.yml checks the real state and finds nothing to change."""
    play("site.yml").good()
    before = host.started(), host.current()
    outcome = play("site.yml").good()
    assert outcome.changed == 0, outcome.tail()
    assert (host.started(), host.current()) == before


@pytest.mark.always
@pytest.mark.usefixtures("lighthouse")
def test_a_redeploy_drops_no_request(endpoint: Endpoint, api: ApiClient, host: Host, changed: Path) -> None:
    """A changed rag-app goes live under five requests a second; no streamed answer is cut off."""
    before = host.current()
    last_backup(host, "2026-01-01T00:00:00Z")
    untouched = {name: at for name, at in host.started().items() if "rag-app" not in name}
    with Load(endpoint) as load, Streams(endpoint) as streams:
        time.sleep(5)
        play("playbooks/deploy.yml", checkout=changed).good()
        time.sleep(5)
    tally = load.tally
    assert not tally.failed, f"{len(tally.failed)} of {tally.total} failed: {tally.failed[:5]}"
    assert not streams.cut, streams.cut[:5]
    assert tally.answered["ask"] > 0
    assert streams.whole > 0
    after = host.current()
    assert after != before
    serves(api, host, after)
    same = {name: at for name, at in host.started().items() if "rag-app" not in name}
    assert same == untouched, "a service that did not change was restarted"
    assert len(host.ids("rag-app")) == 1, "the old container was left behind"
    made = state(host, "backup")
    assert made["ok"]
    assert made["last_success"] > "2026-01-01T00:00:00Z", "no backup was made before it"


def test_a_release_goes_live_with_a_backup_or_not_at_all(api: ApiClient, host: Host) -> None:
    """If the newest backup is old and no other can be made, only `skip_backup=true` accepts the risk."""
    before = host.current()
    last_backup(host, "2026-01-01T00:00:00Z")
    words = ("-e", "ragdock_ingestion_poll_seconds=17", "-e", "backup_reserve_mib=99999999")
    play("playbooks/deploy.yml", *words).refused("skip_backup=true", "hours old", "free", f"{before} serves")
    serves(api, host, before)
    message = play("playbooks/deploy.yml", *words, "-e", "skip_backup=true").good().output
    assert "is lost" in message
    assert host.current() != before
    play("playbooks/deploy.yml").good()
    serves(api, host, host.current())


@pytest.mark.usefixtures("lighthouse")
def test_a_replaced_edge_refuses_no_connection(endpoint: Endpoint, host: Host) -> None:
    """A new memory limit replaces the edge: new connections wait, and running answers are completed."""
    before = host.inspect("edge")[0]["Id"]
    limits = {one["Config"]["Labels"]["com.docker.compose.service"]: one["HostConfig"]["Memory"] >> 20
              for one in host.inspect()}  # fmt: skip
    words = json.dumps({"ragdock_memory_limits": limits | {"edge": limits["edge"] + 16}})
    with Load(endpoint) as load, Streams(endpoint) as streams:
        time.sleep(5)
        play("playbooks/deploy.yml", "-e", words).good()
        time.sleep(5)
    assert host.inspect("edge")[0]["Id"] != before
    assert not load.tally.failed, load.tally.failed[:5]
    assert not streams.cut, streams.cut[:5]
    play("playbooks/deploy.yml").good()


@pytest.fixture
def forerunner(host: Host, request: pytest.FixtureRequest) -> None:
    """Make sure that a release before the current one exists; deploy one when this test runs alone."""
    if len([name for name in host.run("ls", "/opt/ragdock/releases").split() if "." not in name]) < 2:
        play("playbooks/deploy.yml", checkout=request.getfixturevalue("changed")).good()


@pytest.mark.usefixtures("lighthouse", "forerunner")
def test_a_rollback_is_tested_and_drops_no_request(endpoint: Endpoint, api: ApiClient, host: Host) -> None:
    """Roll back to the previous release under load, and forward again by name."""
    here = host.current()
    with Load(endpoint) as load:
        play("playbooks/rollback.yml").good()
    there = host.current()
    assert there != here
    serves(api, host, there)
    assert not load.tally.failed, load.tally.failed[:5]
    play("playbooks/rollback.yml", "-e", f"release={here}").good()
    serves(api, host, here)


def test_a_rollback_to_nowhere_lists_what_there_is(host: Host) -> None:
    """The message for an unknown release lists the existing ones."""
    here = host.current()
    play("playbooks/rollback.yml", "-e", "release=20200101T000000-00000000").refused(
        "20200101T000000-00000000", here, "-e release="
    )
    assert host.current() == here


BROKEN = {
    # fault -> file, change to it, words that the message must contain
    "ends at once": (
        "services/rag-app/src/rag_app/__main__.py",
        lambda text: (
            f"raise SystemExit('broken on purpose')\n{text.replace('from __future__', '# from __future__')}"
        ),
        ("rag-app", "log", "serves"),
    ),
    "never turns healthy": (
        "services/rag-app/src/rag_app/api/status.py",
        lambda text: text.replace("return Alive()", "raise __import__('fastapi').HTTPException(503)"),
        ("rag-app", "health", "serves"),
    ),
    "is healthy but does not answer questions": (
        "services/rag-app/src/rag_app/api/questions.py",
        lambda text: text.replace(
            "ticket = backend.enter(asked)", "raise __import__('fastapi').HTTPException(503)"
        ),
        ("answer", "rag-app", "serves"),
    ),
}
QUICKEST = "ends at once"


@pytest.mark.usefixtures("lighthouse")
@pytest.mark.parametrize(
    "what", [pytest.param(one, marks=pytest.mark.always if one == QUICKEST else ()) for one in sorted(BROKEN)]
)
def test_a_broken_release_rolls_itself_back(
    endpoint: Endpoint, api: ApiClient, host: Host, tmp_path: Path, what: str
) -> None:
    """The message says what broke and that the old release serves, which it does all the time."""
    before, serving = host.current(), host.ids("rag-app")
    path, change, words = BROKEN[what]
    copy = copy_of_checkout(tmp_path)
    edit(copy, path, change)
    with Load(endpoint) as load:
        play("playbooks/deploy.yml", "-e", "stack_start_timeout=60", checkout=copy).refused(*words, before)
    serves(api, host, before)
    # No request reaches the new app before the smoke test; a release that fails it served for a short time.
    if what != "is healthy but does not answer questions":
        assert not load.tally.failed, load.tally.failed[:5]
    assert host.ids("rag-app") == serving, "the container that served before was stopped"
    play("playbooks/verify.yml").good()
