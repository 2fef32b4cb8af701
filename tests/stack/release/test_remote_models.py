"""Remote models: deployed beside the local ones, asked, made to fail, and their keys searched for in output.

The sandbox serves them: Ollama's own API behind TLS with a key, and the same under Bedrock's name with the
short-term keys that the host makes. During each fault the local model answers.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import remote as elsewhere
from sandbox import settings as of_the_sandbox
from sandbox.cloud import AwsApi
from tests.stack import papers, test_secrets
from tests.stack.endpoint import CHECKOUT, ApiClient, Json, asking, value
from tests.stack.host import Host
from tests.stack.plays import Outcome, play

REMOTE, ON_BEDROCK, LOCAL = "smollm2-elsewhere", "gpt-oss-elsewhere", "smollm2:135m"
BACK_SECONDS = 180.0
KEYS = "/opt/ragdock/secrets/remote"
Deploy = Callable[..., Outcome]


def command(*words: str) -> str:
    """Run a command of the sandbox and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def parameter() -> tuple[Any, str]:
    """Return a client of the parameter store, and the name of the parameter with the key."""
    return AwsApi(of_the_sandbox.load()).ssm, f"/ragdock/{value('name')}/{elsewhere.PARAMETER}"


def put(key: str) -> None:
    """Store the key as an operator does."""
    ssm, name = parameter()
    ssm.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def own_key() -> Path:
    """Return the path of the key that the sandbox's model server accepts."""
    return elsewhere.folder(of_the_sandbox.load()) / "key"


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Deploy with remote models, and yield a function that runs playbooks so; remove them afterwards."""
    settings = tmp_path_factory.mktemp("elsewhere") / "settings.yml"
    settings.write_text(command("elsewhere"))

    def run(playbook: str, *words: str) -> Outcome:
        return play(playbook, "-e", f"@{settings}", *words)

    outcome = run("site.yml").good()
    assert "Text leaves this host" in outcome.output
    yield run
    command("elsewhere", "--fault", "off")
    play("site.yml").good()
    ssm, name = parameter()
    ssm.delete_parameter(Name=name)


@pytest.fixture(scope="module")
def question(api: ApiClient, deploy: Deploy) -> Iterator[str]:
    """A question that a document answers."""
    keyword = papers.word()
    identity = api.brought(f"{keyword}.md", papers.good("md", keyword))
    api.ready(identity)
    yield f"Who built the lighthouse of {keyword}?"
    api.delete(identity)


def asked(api: ApiClient, question: str, model: str = "") -> Json:
    """Ask a question of a named model, or of the first one by default, and return the answer."""
    reply = api.http.post("/api/ask", json=asking(question) | ({"model": model} if model else {}))
    assert reply.is_success, reply.text
    found: Json = reply.json()
    return found


def answers_again(api: ApiClient, question: str) -> None:
    """Wait until the remote model answers again, which may take a while after a fault."""
    end = time.monotonic() + BACK_SECONDS
    while (found := asked(api, question))["model"] != REMOTE:
        assert time.monotonic() < end, found
        time.sleep(5)


def test_a_model_elsewhere_answers_and_the_answer_names_its_host(api: ApiClient, question: str) -> None:
    answer = asked(api, question)
    assert (answer["model"], answer["degraded"]) == (REMOTE, False), answer
    assert answer["host"] == f"{of_the_sandbox.load().elsewhere_address}:8443"


def test_a_model_on_bedrock_answers_with_a_key_that_the_host_made(api: ApiClient, question: str) -> None:
    """The sandbox checks signature, age, principal and rights of the key."""
    answer = asked(api, question, ON_BEDROCK)
    assert (answer["model"], answer["degraded"]) == (ON_BEDROCK, False), answer
    assert answer["host"] == elsewhere.bedrock_name(of_the_sandbox.load())


def test_a_second_run_changes_nothing_and_asks_nobody(deploy: Deploy, host: Host) -> None:
    before = host.started()
    assert deploy("site.yml").good().changed == 0
    assert host.started() == before


def test_every_check_passes_and_the_way_out_is_for_named_requests_only(deploy: Deploy) -> None:
    """Other paths, hosts and methods are refused, and no other container gets out."""
    output = deploy("playbooks/verify.yml").good().output
    assert "services reach models elsewhere and nothing else" in output
    assert "no container but edge and remote gets out" in output


@pytest.mark.parametrize("fault", ["401", "429", "500", "cut"])
def test_the_local_model_answers_when_the_other_does_not(api: ApiClient, question: str, fault: str) -> None:
    command("elsewhere", "--fault", fault)
    try:
        answer = asked(api, question)
        assert (answer["model"], answer["host"]) == (LOCAL, None), answer
        assert answer["degraded"], answer
    finally:
        command("elsewhere", "--fault", "off")
    answers_again(api, question)


def test_the_local_model_answers_while_the_server_is_away(api: ApiClient, question: str) -> None:
    subprocess.run(["docker", "stop", "--time", "1", elsewhere.NAME], check=True, capture_output=True)
    try:
        answer = asked(api, question)
        assert (answer["model"], answer["degraded"]) == (LOCAL, True), answer
    finally:
        subprocess.run(["docker", "start", elsewhere.NAME], check=True, capture_output=True)
    answers_again(api, question)


def test_a_new_key_is_used_without_a_restart(
    deploy: Deploy, api: ApiClient, host: Host, question: str
) -> None:
    before = host.started()
    old = own_key().read_text()
    key = f"{old.strip()}-new\n"
    own_key().write_text(key)
    put(key)
    deploy("playbooks/deploy.yml").good()
    assert host.started() == before
    answers_again(api, question)


def test_a_wrong_key_fails_the_deployment_and_the_key_before_serves(
    deploy: Deploy, api: ApiClient, host: Host, question: str
) -> None:
    release = host.current()
    put("sk-of-somebody-else-entirely")
    try:
        deploy("playbooks/deploy.yml").refused("answered 401", "parameter store", "put back", "serves")
        assert host.current() == release
        assert api.status()["release"] == release
        assert asked(api, question)["model"] == REMOTE
    finally:
        put(own_key().read_text())
        deploy("playbooks/deploy.yml").good()


def test_a_missing_key_is_refused_before_anything_changes(deploy: Deploy, host: Host) -> None:
    ssm, name = parameter()
    before = host.started(), host.current()
    ssm.delete_parameter(Name=name)
    try:
        deploy("playbooks/deploy.yml").refused(name, "put-parameter", "Nothing was changed")
        assert (host.started(), host.current()) == before
    finally:
        put(own_key().read_text())


def test_the_hosts_own_job_renews_the_keys_of_bedrock_and_restarts_nothing(
    host: Host, api: ApiClient, question: str
) -> None:
    keys = f"cat $(find {KEYS} -name '{ON_BEDROCK}*')"
    before, started = host.shell(keys), host.started()
    # A key contains the second in which it was made, so a new one must be made in a later second.
    time.sleep(1.1)
    host.run("/usr/local/sbin/ragdock-job", "keys", seconds=300)
    assert host.shell(keys) != before
    assert host.started() == started
    assert asked(api, question, ON_BEDROCK)["model"] == ON_BEDROCK


def test_no_key_is_anywhere_but_in_its_file(deploy: Deploy, host: Host) -> None:
    """Releases, state, docker inspect, logs, journal, processes, images, and what a run prints."""
    secrets = test_secrets.secrets_of(host)
    assert len([name for name in secrets if "/remote/" in name]) == 2
    test_secrets.test_no_secret_on_the_host_outside_secrets(host)
    output = deploy("playbooks/deploy.yml", "-vvv", "--diff").good().output
    assert not test_secrets.named_in(output, secrets)
    for path in test_secrets.operators_files():
        assert not test_secrets.named_in(path.read_text(errors="replace"), secrets), path
    images = subprocess.run(
        ["sh", "-ec", "for i in $(docker images -q | sort -u); do docker history --no-trunc $i; done"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert not test_secrets.named_in(images, secrets)
    server = subprocess.run(["docker", "logs", elsewhere.NAME], capture_output=True, text=True, check=True)
    assert not test_secrets.named_in(server.stdout + server.stderr, secrets)
