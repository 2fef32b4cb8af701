"""The host and its disks are gone, or the whole deployment is: one command brings yesterday's answers back.

By `make disaster`, alone: what other tests know of the host and its secrets does not hold afterwards.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.stack import papers
from tests.stack.backup.vault import Vault, aws, back_up
from tests.stack.door import Api, Door, value
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.restore.rescue import Json, Scene

PAPERS = (("md", "Skerryvore"), ("pdf", "Ardnamurchan"), ("md", "Eilean Glas"))


@contextlib.contextmanager
def deployment(keywords: list[str]) -> Iterator[Scene]:
    """The deployment as it is found at this moment: its host, its token."""
    api = Api(Door(value("url").rstrip("/"), value("token"), value("ca")))
    host = Host(value("name"))
    with api.http:
        yield Scene(api, host, Vault(host, value("name")), keywords)


@pytest.fixture
def keywords() -> Iterator[list[str]]:
    """What documents speak of; they are backed up, and go when the test ends."""
    words = [f"{name} {papers.word()}" for _, name in PAPERS]
    names = [f"{word}.{kind}" for (kind, _), word in zip(PAPERS, words, strict=True)]
    with deployment(words) as scene:
        for (kind, _), name, word in zip(PAPERS, names, words, strict=True):
            scene.api.ready(scene.api.brought(name, papers.good(kind, word)))
    back_up().good()
    yield words
    with deployment(words) as scene:
        for one in scene.api.http.get("/api/documents", params={"limit": 1000}).json()["documents"]:
            if one["name"] in names:
                scene.api.delete(one["id"])


def state(keywords: list[str]) -> Json:
    """Documents, their files, what is found and how much there is."""
    with deployment(keywords) as scene:
        return scene.state()


def instance() -> str:
    """Id of the deployment's host."""
    wanted = {"tag:ragdock:name": value("name"), "instance-state-name": "running"}
    filters = [{"Name": name, "Values": [found]} for name, found in wanted.items()]
    (reservation,) = aws("ec2").describe_instances(Filters=filters)["Reservations"]
    return str(reservation["Instances"][0]["InstanceId"])


def volumes(of: str) -> list[str]:
    """Ids of the volumes of a host."""
    filters = [{"Name": "attachment.instance-id", "Values": [of]}]
    return [str(one["VolumeId"]) for one in aws("ec2").describe_volumes(Filters=filters)["Volumes"]]


def same_answers(before: Json, keywords: list[str]) -> None:
    """All that was there before, and an answer from it."""
    assert state(keywords) == before
    with deployment(keywords) as scene:
        answer = scene.api.ask(f"What is said of {keywords[0]}?")
    assert any(keywords[0] in one["document"] for one in answer["citations"]), answer
    play("playbooks/verify.yml").good()


def test_a_lost_host_and_its_disks_come_back_with_the_same_answers(keywords: list[str]) -> None:
    """Terminated and deleted behind Ragdock's back; address, certificate and secrets stay what they were."""
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
    told = play("site.yml", "-e", "restore=latest").good()
    assert "Nothing differs" in told.output, told.tail()
    assert instance() != lost
    assert value("token") == token
    same_answers(before, keywords)
    assert play("site.yml").good().changed == 0


def test_a_destroyed_deployment_comes_back_from_its_bucket(keywords: list[str]) -> None:
    """Only the bucket and the key to it are left; secrets are new, answers are the same."""
    before, token = state(keywords), value("token")
    play("playbooks/destroy.yml", "-e", f"confirm={value('name')}").good()
    told = play("site.yml", "-e", "restore=latest").good()
    assert "Nothing differs" in told.output, told.tail()
    assert value("token") != token
    same_answers(before, keywords)


def test_a_host_that_holds_documents_is_not_overwritten(keywords: list[str]) -> None:
    """The same command on a host that lives is refused before anything changes."""
    before = state(keywords)
    play("site.yml", "-e", "restore=latest").refused("holds", "restore.yml")
    assert state(keywords) == before
