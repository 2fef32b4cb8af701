"""A host and its disks, the whole deployment, or a part is lost: docs/operate/recovery.md brings it back.

Run alone, by `make disaster`: the host and its secrets, on which other tests rely, are replaced.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator

import pytest

from tests.stack import papers
from tests.stack.backup.vault import Vault, aws, back_up
from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.restore import runbook
from tests.stack.restore.rescue import ROOT, Json, Scene

PAPERS = (("md", "Skerryvore"), ("pdf", "Ardnamurchan"), ("md", "Eilean Glas"))
# The runbook's example of a document.
REPORT = "report.pdf"


@contextlib.contextmanager
def deployment(keywords: list[str]) -> Iterator[Scene]:
    """Yield the deployment as it is now: with its current host and token."""
    api = ApiClient(Endpoint(value("url").rstrip("/"), value("token"), value("ca")))
    host = Host(value("name"))
    with api.http:
        yield Scene(api, host, Vault(host, value("name")), keywords)


@pytest.fixture
def keywords() -> Iterator[list[str]]:
    """Keywords of uploaded documents, which are backed up, and deleted when the test ends."""
    words = [f"{name} {papers.word()}" for _, name in PAPERS]
    names = [
        REPORT if kind == "pdf" else f"{word}.{kind}" for (kind, _), word in zip(PAPERS, words, strict=True)
    ]
    with deployment(words) as scene:
        for (kind, _), name, word in zip(PAPERS, names, words, strict=True):
            scene.api.ready(scene.api.brought(name, papers.good(kind, word)))
        scene.api.http.post("/events/launch")
    back_up().good()
    yield words
    with deployment(words) as scene:
        for one in scene.api.http.get("/api/documents", params={"limit": 1000}).json()["documents"]:
            if one["name"] in names:
                scene.api.delete(one["id"])


def state(keywords: list[str]) -> Json:
    """Return documents, their files, search hits, the number of passages, and analytics events."""
    with deployment(keywords) as scene:
        return {**scene.state(), "clicks": scene.host.shell(f"cat {ROOT}/data/analytics/*")}


def instance() -> str:
    """Return the id of the deployment's host."""
    expected = {"tag:ragdock:name": value("name"), "instance-state-name": "running"}
    filters = [{"Name": name, "Values": [found]} for name, found in expected.items()]
    (reservation,) = aws("ec2").describe_instances(Filters=filters)["Reservations"]
    return str(reservation["Instances"][0]["InstanceId"])


def volumes(of: str) -> list[str]:
    """Return the ids of a host's volumes."""
    filters = [{"Name": "attachment.instance-id", "Values": [of]}]
    return [str(one["VolumeId"]) for one in aws("ec2").describe_volumes(Filters=filters)["Volumes"]]


def same_answers(before: Json, keywords: list[str]) -> None:
    """Assert that the state is the same as before, and that an answer cites it."""
    assert state(keywords) == before
    with deployment(keywords) as scene:
        answer = scene.api.ask(f"What is said of {keywords[0]}?")
    assert any(keywords[0] in one["document"] for one in answer["citations"]), answer
    play("playbooks/verify.yml").good()


def test_a_host_is_replaced_on_request_and_keeps_data_address_and_secrets(keywords: list[str]) -> None:
    """A new type alone is refused; with `aws_host_replace` a new host takes over data volume and address.

    The release stays the same, but its images are not on the new host.
    """
    play("site.yml").good()
    before, token, url, old = state(keywords), value("token"), value("url"), instance()
    disks = set(volumes(old))
    play("site.yml", "-e", "ragdock_instance_type=m7i.2xlarge").refused("aws_host_replace", "m7i.2xlarge")
    assert instance() == old
    outcome = play("site.yml", "-e", "aws_host_replace=true").good()
    assert instance() != old
    assert len(disks & set(volumes(instance()))) == 1, outcome.tail()
    assert (value("token"), value("url")) == (token, url)
    same_answers(before, keywords)
    assert play("site.yml").good().changed == 0


def test_a_lost_host_and_its_disks_come_back_with_the_same_answers(keywords: list[str]) -> None:
    """Terminated and deleted without Ragdock; address, certificate and secrets stay the same."""
    before, token = state(keywords), value("token")
    ec2, lost = aws("ec2"), instance()
    disks = volumes(lost)
    ec2.terminate_instances(InstanceIds=[lost])
    left = disks
    until = time.monotonic() + 120
    while left := [one for one in left if one in {v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]}]:
        assert time.monotonic() < until, f"{left} cannot be deleted"
        for one in ec2.describe_volumes(VolumeIds=left)["Volumes"]:
            if one["State"] == "available":
                ec2.delete_volume(VolumeId=one["VolumeId"])
        time.sleep(1)
    outcome = play(*runbook.commands()[runbook.HOST]).good()
    assert "Nothing differs" in outcome.output, outcome.tail()
    assert instance() != lost
    assert value("token") == token
    same_answers(before, keywords)
    assert play("site.yml").good().changed == 0


def no_report(scene: Scene) -> None:
    """Delete a document, as by mistake."""
    scene.api.delete(next(key for key, one in scene.documents().items() if one.startswith(REPORT)))
    scene.host.wait("its file is gone", lambda: not any(REPORT in path for path in scene.files()), 60)


def no_index(scene: Scene) -> None:
    """Delete the index in OpenSearch."""
    for index in scene.indices():
        scene.as_worker("DELETE", f"/{index}")


def no_files(scene: Scene) -> None:
    """Delete all uploaded files on the disk."""
    scene.host.shell(f"rm -rf {ROOT}/data/raw/uploads")


def no_clicks(scene: Scene) -> None:
    """Delete all analytics events."""
    scene.host.shell(f'for one in {ROOT}/data/analytics/*; do : > "$one"; done')


def nearly_nothing(scene: Scene) -> None:
    """Delete a document, the index, all files and the analytics events."""
    no_report(scene)
    no_index(scene)
    no_files(scene)
    no_clicks(scene)


LOSSES: dict[str, Callable[[Scene], None]] = {
    "nothing; list the backups": lambda _: None,
    "one document": no_report,
    "the search index": no_index,
    "all document files": no_files,
    "the analytics events": no_clicks,
    "everything; go back to last night": nearly_nothing,
    "everything; go back to a point in time": nearly_nothing,
}


@pytest.mark.always
def test_each_row_of_the_runbook_is_tried_here() -> None:
    """The runbook has no row that these tests do not run."""
    assert set(runbook.commands()) == {*LOSSES, runbook.HOST, runbook.DEPLOYMENT}


def test_each_row_of_the_runbook_brings_back_what_it_names(keywords: list[str]) -> None:
    """On a host that was lost before; one command runs with `--check` first, which restores nothing."""
    before, moment = state(keywords), dt.datetime.now(dt.UTC)
    for lost, lose in LOSSES.items():
        words = runbook.at(runbook.commands()[lost], moment)
        with deployment(keywords) as scene:
            lose(scene)
            if lost == "one document":
                play(*words, "--check").good()
                assert not any(REPORT in path for path in scene.files())
            play(*words).good()
            scene.host.wait(f"all is back after: {lost}", lambda: state(keywords) == before, 90)
            assert scene.nothing_left() == [], lost


def test_a_destroyed_deployment_comes_back_from_its_bucket(keywords: list[str]) -> None:
    """Only the bucket and the key to it are left; secrets are new, answers are the same."""
    before, token = state(keywords), value("token")
    play("playbooks/destroy.yml", "-e", f"confirm={value('name')}").good()
    outcome = play(*runbook.commands()[runbook.DEPLOYMENT]).good()
    assert "Nothing differs" in outcome.output, outcome.tail()
    assert value("token") != token
    same_answers(before, keywords)


def test_a_host_that_holds_documents_is_not_overwritten(keywords: list[str]) -> None:
    """The same command is refused on a host that has its documents, before anything changes."""
    before = state(keywords)
    play("site.yml", "-e", "restore=latest").refused("already has", "Nothing was changed", "restore.yml")
    assert state(keywords) == before
