"""A second host for models, from its creation to its removal: asked, stopped, started, rotated, removed.

Assumes a deployed sandbox that has room for a second host (2 GiB of memory). Its instance type has no
GPU: no machine that runs these tests has one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import settings
from sandbox.cloud import AwsApi, Instance
from tests.stack import papers
from tests.stack.backup.vault import aws
from tests.stack.endpoint import ApiClient, value
from tests.stack.host import Host
from tests.stack.plays import Outcome, play

CHAT = "{{ sandbox_models_dir }}/smollm2-135m-instruct.gguf"
EMBED = "{{ sandbox_models_dir }}/all-minilm"
LARGE, SMALL = "smollm2-models:135m", "smollm2:135m"
MODELS = [
    {"name": LARGE, "use": ["chat"], "source": "files", "files": [CHAT], "model_host": True},
    {"name": SMALL, "use": ["fallback"], "source": "files", "files": [CHAT]},
    {"name": "all-minilm", "use": ["embed"], "source": "files", "files": [EMBED]},
]
WITH = {
    "ragdock_model_host_type": "t3.medium",
    "ragdock_model_hours": "Mon-Sun 00:00-23:59 UTC",
    "ragdock_models": MODELS,
}
SITE_SECONDS = 2400.0
START_SECONDS = 240.0


def run(playbook: str, *words: str, **settings_of_it: Any) -> Outcome:
    """Run a playbook with the model host's settings."""
    return play(playbook, "-e", json.dumps(WITH | settings_of_it), *words, seconds=SITE_SECONDS)


def model_hosts() -> list[Instance]:
    """Return the model hosts of the deployment that are not terminated."""
    name = value("name")
    return [
        one
        for one in AwsApi(settings.load()).observe().live
        if one.tags.get("ragdock:name") == name and one.tags.get("ragdock:host") == "models"
    ]


def until(what: str, good: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s"
        time.sleep(2)


def as_its_hours_do(verb: str) -> None:
    """Make the call that EventBridge Scheduler would make with the schedules' role."""
    (host,) = model_hosts()
    name = value("name")
    schedule = aws("scheduler").get_schedule(Name=f"ragdock-{name}_models-{verb}")
    assert json.loads(schedule["Target"]["Input"]) == {"InstanceIds": [host.id]}
    ec2 = aws("ec2")
    (ec2.start_instances if verb == "start" else ec2.stop_instances)(InstanceIds=[host.id])


class Questions:
    """Questions about one document; each is new, so that no answer comes from the cache."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        self.count = 0
        self.keyword = papers.word()
        self.document = api.brought(f"{self.keyword}.pdf", papers.good("pdf", self.keyword))
        api.ready(self.document)

    def answered_by(self) -> str:
        """The model that wrote the answer."""
        self.count += 1
        answer = self.api.ask(f"Who built the lighthouse of {self.keyword}? Question {self.count}.")
        return str(answer["model"])


@pytest.fixture
def asked(api: ApiClient) -> Iterator[Questions]:
    """A document to ask about, which is deleted when the test ends."""
    questions = Questions(api)
    yield questions
    api.delete(questions.document)


@pytest.fixture
def undone() -> Iterator[None]:
    """Whatever happens, remove the model host afterwards."""
    yield
    if model_hosts():
        play("site.yml", seconds=SITE_SECONDS).good()


@pytest.mark.usefixtures("undone")
def test_a_model_host_from_its_setting_to_its_end(asked: Questions) -> None:
    """A single test, because each step starts from the state that the previous one left."""
    assert asked.answered_by() == SMALL

    run("site.yml").good()
    (host,) = model_hosts()
    assert host.private_ip.endswith(".254")
    assert asked.answered_by() == LARGE
    again = run("site.yml").good()
    assert again.changed == 0, again.tail()
    shown = run("playbooks/verify.yml").good().output
    assert f"{LARGE} runs" in shown
    assert "nothing but chat and embeddings is answered" in shown

    as_its_hours_do("stop")
    until("the model host is stopped", lambda: model_hosts()[0].state == "stopped", START_SECONDS)
    assert asked.answered_by() == SMALL
    stopped = run("site.yml").good()
    assert stopped.changed == 0, stopped.tail()
    assert "The model host is not running" in " ".join(run("playbooks/status.yml").good().output.split())

    as_its_hours_do("start")
    until("the model host answers", lambda: asked.answered_by() == LARGE, START_SECONDS)

    main = Host(value("name"))
    before = main.run("sha256sum", "--", *_key_files(main))
    run("playbooks/rotate.yml", "-e", "secrets=model_host_key,model_host_ca").good()
    assert main.run("sha256sum", "--", *_key_files(main)) != before
    # A question during the rotation may have failed, and then the model is left out for a minute.
    until("the model host answers with its new key", lambda: asked.answered_by() == LARGE, START_SECONDS)
    run("playbooks/patch.yml", "--check").good()

    play("site.yml", seconds=SITE_SECONDS).good()
    assert model_hosts() == []
    assert asked.answered_by() == SMALL


def _key_files(main: Host) -> list[str]:
    return main.run("find", "/opt/ragdock/secrets/remote", "-type", "f").split()
