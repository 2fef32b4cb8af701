"""Remote models: deployed beside the local ones, asked, made to fail, and their keys searched for in output.

The sandbox serves them: Ollama's own API behind TLS with a key, and the same under Bedrock's name with the
short-term keys that the host makes. During each fault the local model answers. The tests at the end use a
second deployment, whose embedder is remote, too, and whose chat model has few tokens left for today.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sandbox import pki
from sandbox import remote as elsewhere
from sandbox import settings as of_the_sandbox
from tests.stack import papers, test_secrets
from tests.stack.elsewhere import (
    EMBEDDER,
    LOCAL,
    ON_BEDROCK,
    REMOTE,
    answers_again,
    asked,
    command,
    docker,
    embeds_again,
    embeds_elsewhere,
    own_host,
    own_key,
    parameter,
    present,
    put,
    rebuilds,
    said,
    tokens,
    without_bedrocks_name,
)
from tests.stack.endpoint import ApiClient, Endpoint, Json
from tests.stack.host import Host
from tests.stack.plays import Outcome, play

REBUILT_SECONDS = 300.0
# Questions go first: asked without a pause, they let a batch of texts through every 10 to 40 seconds only.
PAUSE_SECONDS = 3.0
# The sandbox's slow server is silent for longer than this; the local model begins its answer sooner.
SHORT_SECONDS = 15.0
# Enough for the smoke test, which fails when the fallback answers, and used up after a few more questions.
SPARE_TOKENS = 2500
QUESTIONS_AT_MOST = 15
KEYS = "/opt/ragdock/secrets/remote"
Deploy = Callable[..., Outcome]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory, api: ApiClient, host: Host) -> Iterator[Deploy]:
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
    # After the tests of a remote embedder, every document is read again.
    host.wait("the index is rebuilt", lambda: not rebuilds(api), REBUILT_SECONDS)


@pytest.fixture(scope="module")
def question(api: ApiClient, deploy: Deploy) -> Iterator[str]:
    """A question that a document answers."""
    keyword = papers.word()
    identity = api.brought(f"{keyword}.md", papers.good("md", keyword))
    api.ready(identity)
    yield f"Who built the lighthouse of {keyword}?"
    api.delete(identity)


def test_a_model_elsewhere_answers_and_the_answer_names_its_host(api: ApiClient, question: str) -> None:
    answer = asked(api, question)
    assert (answer["model"], answer["degraded"]) == (REMOTE, False), answer
    assert answer["host"] == own_host()


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
    docker("stop", "--time", "1", elsewhere.NAME)
    try:
        answer = asked(api, question)
        assert (answer["model"], answer["degraded"]) == (LOCAL, True), answer
    finally:
        docker("start", elsewhere.NAME)
    answers_again(api, question)


def test_the_local_model_answers_when_the_other_is_silent_for_longer_than_asked(
    api: ApiClient, question: str
) -> None:
    command("elsewhere", "--fault", "slow")
    try:
        answer = asked(api, question, timeout=SHORT_SECONDS)
        assert (answer["model"], answer["degraded"]) == (LOCAL, True), answer
        assert said(answer, f"{own_host()} is too slow with '{REMOTE}'"), answer
    finally:
        command("elsewhere", "--fault", "off")
    answers_again(api, question)


def test_the_local_model_answers_when_another_authority_issued_the_servers_certificate(
    api: ApiClient, host: Host, question: str, tmp_path: Path
) -> None:
    sandbox = of_the_sandbox.load()
    before, other = tmp_path / "before", tmp_path / "other"
    shutil.copytree(elsewhere.folder(sandbox) / "own", before)
    pki.ensure(other, "elsewhere", sandbox.elsewhere_address, dt.datetime.now(dt.UTC))
    try:
        present(other, host)
        answer = asked(api, question)
        assert (answer["model"], answer["degraded"]) == (LOCAL, True), answer
        assert said(answer, own_host(), REMOTE, "HTTP 502"), answer
    finally:
        present(before, host)
    answers_again(api, question)


def test_the_next_model_answers_when_the_name_of_a_server_is_not_in_dns(
    api: ApiClient, host: Host, question: str
) -> None:
    with without_bedrocks_name(host):
        answer = asked(api, question, ON_BEDROCK)
        assert (answer["model"], answer["degraded"]) == (REMOTE, True), answer
        name = elsewhere.bedrock_name(of_the_sandbox.load())
        assert said(answer, name, ON_BEDROCK, "HTTP 502"), answer
    answers_again(api, question, ON_BEDROCK)


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
        answers_again(api, question)
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


@dataclass(frozen=True)
class Embedded:
    """A deployment whose embedder is remote, and the answers given while its index was rebuilt."""

    tokens_per_day: int  # of the remote chat model
    meanwhile: list[Json]


@contextmanager
def asking_on(endpoint: Endpoint, question: str) -> Iterator[list[Json]]:
    """Ask the local model a question every few seconds inside the block; yield the list of answers."""
    over = threading.Event()
    answers: list[Json] = []

    def ask() -> None:
        api = ApiClient(endpoint)
        with api.http:
            while not over.wait(PAUSE_SECONDS):
                answers.append(asked(api, question, LOCAL))

    with ThreadPoolExecutor(1) as pool:
        asker = pool.submit(ask)
        try:
            yield answers
        finally:
            over.set()
        asker.result()


@pytest.fixture(scope="module")
def embedded(
    deploy: Deploy,
    api: ApiClient,
    endpoint: Endpoint,
    host: Host,
    question: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Embedded:
    """Deploy with a remote embedder and a limit of tokens; `deploy` removes both at its end."""
    models = yaml.safe_load(command("elsewhere", "--embed"))
    limit = tokens(api, REMOTE) + SPARE_TOKENS
    next(one for one in models["ragdock_models"] if one["name"] == REMOTE)["tokens_per_day"] = limit
    settings = tmp_path_factory.mktemp("embedder") / "settings.yml"
    settings.write_text(yaml.safe_dump(models))
    with asking_on(endpoint, question) as answers:
        outcome = deploy("site.yml", "-e", f"@{settings}").good()
        assert "the text of every document" in outcome.output
        host.wait(
            "questions are embedded elsewhere",
            lambda: not rebuilds(api) and embeds_elsewhere(api),
            REBUILT_SECONDS,
        )
    return Embedded(limit, answers)


def named(passages: list[Json]) -> set[str]:
    """Return the names of the documents that these passages are from."""
    return {one["document"] for one in passages}


def document_of(question: str) -> str:
    """Return the name of the document that answers the question: its last word, which no other has."""
    return f"{question.rstrip('?').split()[-1]}.md"


def test_questions_are_answered_while_the_documents_are_embedded_elsewhere(
    embedded: Embedded, question: str
) -> None:
    assert embedded.meanwhile
    wrong = [
        one
        for one in embedded.meanwhile
        if one["model"] is None or document_of(question) not in named(one["passages"])
    ]
    assert not wrong, f"{len(wrong)} of {len(embedded.meanwhile)}: {wrong[0]}"


@pytest.mark.usefixtures("embedded")
def test_answers_come_from_vectors_that_were_made_elsewhere(api: ApiClient, question: str) -> None:
    contract = api.status()["index_contract"]
    assert (contract["model"], contract["digest"]) == (EMBEDDER, f"{EMBEDDER}@{own_host()}")
    found = api.search(question)
    assert document_of(question) in named(found)
    assert any(one["vector_rank"] is not None for one in found), found
    answer = asked(api, question, LOCAL)
    assert (answer["degraded"], answer["remarks"]) == (False, []), answer
    assert document_of(question) in named(answer["passages"])


@pytest.mark.usefixtures("embedded")
def test_questions_are_searched_by_words_while_the_embedder_refuses(api: ApiClient, question: str) -> None:
    command("elsewhere", "--fault", "500")
    try:
        answer = asked(api, question, LOCAL)
        assert said(answer, "Searched by words alone", own_host(), EMBEDDER, "HTTP 500"), answer
        assert document_of(question) in named(answer["passages"])
    finally:
        command("elsewhere", "--fault", "off")
    embeds_again(api)


def test_the_local_model_answers_once_the_tokens_of_the_day_are_used(
    embedded: Embedded, api: ApiClient, question: str
) -> None:
    for _ in range(QUESTIONS_AT_MOST):
        answer = asked(api, question)
        if answer["model"] != REMOTE:
            break
    assert (answer["model"], answer["degraded"]) == (LOCAL, True), answer
    limit = f"of its {embedded.tokens_per_day:,} tokens for today"
    assert said(answer, f"'{REMOTE}' has used", limit), answer
    assert tokens(api, REMOTE) <= embedded.tokens_per_day
    # The limit is of one model: the other remote one still answers.
    assert asked(api, question, ON_BEDROCK)["model"] == ON_BEDROCK
