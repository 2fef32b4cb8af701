"""The sandbox's remote models, as tests ask them, break them and change their key."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import docker_api, networks
from sandbox import remote as elsewhere
from sandbox import settings as of_the_sandbox
from sandbox.cloud import AwsApi
from sandbox.elsewhere.server import OWN_PORT
from tests.stack import papers
from tests.stack.endpoint import CHECKOUT, ApiClient, Json, asking, value
from tests.stack.host import Host

REMOTE, ON_BEDROCK, LOCAL = "smollm2-elsewhere", "gpt-oss-elsewhere", "smollm2:135m"
EMBEDDER = "all-minilm-elsewhere"
BACK_SECONDS = 180.0


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


def docker(*words: str) -> None:
    """Run a command of Docker on this machine."""
    subprocess.run(["docker", *words], check=True, capture_output=True)


def put(key: str) -> None:
    """Store the key as an operator does."""
    ssm, name = parameter()
    ssm.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def own_key() -> Path:
    """Return the path of the key that the sandbox's model server accepts."""
    return elsewhere.folder(of_the_sandbox.load()) / "key"


def asked(api: ApiClient, question: str, model: str = "", **more: object) -> Json:
    """Ask a question of a named model, or of the first one by default; `more` is added to the request."""
    words = asking(question) | ({"model": model} if model else {}) | more
    reply = api.http.post("/api/ask", json=words)
    assert reply.is_success, reply.text
    found: Json = reply.json()
    return found


def answers_again(api: ApiClient, question: str, model: str = REMOTE) -> None:
    """Wait until the remote model answers again, which may take a while after a fault."""
    end = time.monotonic() + BACK_SECONDS
    while (found := asked(api, question, model))["model"] != model:
        assert time.monotonic() < end, found
        time.sleep(5)


def tokens(api: ApiClient, model: str) -> int:
    """Return how many tokens of a remote model are counted for today."""
    return int(next(one["tokens_today"] for one in api.status()["remote_models"] if one["name"] == model))


def rebuilds(api: ApiClient) -> bool:
    """Return whether documents are being read into a new index, or wait to be read."""
    status = api.status()["ingestion"]
    return bool(status["rebuilding"] or status["documents_left"])


def said(answer: Json, *words: str) -> bool:
    """Return whether one of the answer's remarks contains all of these words."""
    return any(all(word in remark for word in words) for remark in answer["remarks"])


def own_host() -> str:
    """Return the sandbox's server as settings and answers name it."""
    return f"{of_the_sandbox.load().elsewhere_address}:{OWN_PORT}"


def presents(certificate: Path) -> bool:
    """Return whether the sandbox's server answers, and with this certificate."""
    address = str(of_the_sandbox.load().elsewhere_address)
    try:
        found = ssl.get_server_certificate((address, OWN_PORT), timeout=5)
    except OSError:
        return False
    return ssl.PEM_cert_to_DER_cert(found) == ssl.PEM_cert_to_DER_cert(certificate.read_text())


def present(folder: Path, host: Host) -> None:
    """Let the sandbox's server present the certificate in this folder."""
    own = elsewhere.folder(of_the_sandbox.load()) / "own"
    for name in ("tls.crt", "tls.key"):
        shutil.copy(folder / name, own / name)
    docker("restart", "--time", "1", elsewhere.NAME)
    host.wait("the models elsewhere have another certificate", lambda: presents(folder / "tls.crt"), 60)


@contextmanager
def without_bedrocks_name(host: Host) -> Iterator[None]:
    """Take Bedrock's name away from the sandbox's server, in every subnet.

    Where the machine itself can ask a public DNS server, the name then leads to AWS, whose certificate is of
    an authority that is not in `ca_file`: that is the same to the services.
    """
    sandbox, client = of_the_sandbox.load(), docker_api.connect()
    certificate = elsewhere.folder(sandbox) / "own" / "tls.crt"
    subnets = [
        network
        for network in client.containers.get(elsewhere.NAME).attrs["NetworkSettings"]["Networks"]
        if network != networks.aws_network(sandbox)
    ]
    # Stopped, it closes its connections: the proxy would go on using an open one, and wait for an answer.
    docker("stop", "--time", "1", elsewhere.NAME)
    try:
        for network in subnets:
            docker("network", "disconnect", "--force", network, elsewhere.NAME)
        docker("start", elsewhere.NAME)
        host.wait("the models elsewhere answer", lambda: presents(certificate), 60)
        yield
    finally:
        elsewhere.up(client, sandbox)


def embeds_elsewhere(api: ApiClient) -> bool:
    """Return whether the vector of a query comes from the remote embedder, as those of the index do."""
    before = tokens(api, EMBEDDER)
    api.search(papers.word())
    return tokens(api, EMBEDDER) > before


def embeds_again(api: ApiClient) -> None:
    """Wait until queries are embedded again."""
    end = time.monotonic() + BACK_SECONDS
    while not embeds_elsewhere(api):
        assert time.monotonic() < end, api.status()["remote_models"]
        time.sleep(1)
