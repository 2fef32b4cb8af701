"""Assumes nothing for plain tests. Tests marked `real` talk to a real OpenSearch and a real Ollama.

Addresses in RAGDOCK_TEST_OPENSEARCH and RAGDOCK_TEST_OLLAMA are used when set (that Ollama must hold the two
models); else two containers are started from the images the stack uses and removed again. The processes of
one run share an OpenSearch, in which each test has an index of its own, but not an Ollama, which remembers
one prompt. Without Docker, the images or the model files, a plain run skips these tests with the reason;
asked for by `-m real`, as `make stack` does, they fail with it: a run that measured nothing must not look
like one that passed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

OPENSEARCH_IMAGE = "opensearchproject/opensearch:2.19.1"
OLLAMA_IMAGE = "ollama/ollama:0.17.4"
CHAT_MODEL = "smollm2:135m"
EMBED_MODEL = "all-minilm"
MODELS = Path(__file__).parents[1] / ".sandbox" / "models"
START_SECONDS = 180.0
Missing = Callable[[str], NoReturn]
OPENSEARCH_OPTIONS = [
    *("-e", "discovery.type=single-node", "-e", "DISABLE_SECURITY_PLUGIN=true"),
    *("-e", "DISABLE_INSTALL_DEMO_CONFIG=true", "-e", "OPENSEARCH_JAVA_OPTS=-Xms512m -Xmx512m"),
]
# As compose/compose.yaml.j2 has it.
OLLAMA_OPTIONS = ["-e", "OLLAMA_FLASH_ATTENTION=0"]
SHARED: pytest.StashKey[tuple[str, str]] = pytest.StashKey()


def pytest_configure_node(node: Any) -> None:
    """In the process that hands out the tests: start one OpenSearch for the processes that run them."""
    config = node.config
    if SHARED not in config.stash and asked_for_real(config) and _has(OPENSEARCH_IMAGE):
        shared = ExitStack()
        config.add_cleanup(shared.close)
        config.stash[SHARED] = shared.enter_context(started(OPENSEARCH_IMAGE, 9200, OPENSEARCH_OPTIONS))
    node.workerinput["opensearch"] = config.stash.get(SHARED, None)


def asked_for_real(config: pytest.Config) -> bool:
    """Whether the tests marked `real` were asked for by name."""
    return re.search(r"(?<!not )\breal\b", config.getoption("markexpr")) is not None


@pytest.fixture(scope="session")
def missing(request: pytest.FixtureRequest) -> Missing:
    """Says what is missing: a failure when the tests marked `real` were asked for by name, else a skip."""
    return pytest.fail if asked_for_real(request.config) else pytest.skip


@pytest.fixture(scope="session")
def opensearch_address(request: pytest.FixtureRequest, missing: Missing) -> Iterator[str]:
    """An OpenSearch without its security plugin; users, rights and TLS are tested in the whole stack."""
    given = os.environ.get("RAGDOCK_TEST_OPENSEARCH")
    if given:
        yield given
        return
    shared = getattr(request.config, "workerinput", {}).get("opensearch")
    if shared:
        name, address = shared
        wait_for(f"{address}/", name)
        yield address
        return
    with container(OPENSEARCH_IMAGE, 9200, OPENSEARCH_OPTIONS, missing) as address:
        yield address


@pytest.fixture(scope="session")
def ollama_address(missing: Missing) -> Iterator[str]:
    """An Ollama that holds the chat and the embedding model."""
    given = os.environ.get("RAGDOCK_TEST_OLLAMA")
    if given:
        yield given
        return
    chat, embed = MODELS / "smollm2-135m-instruct.gguf", MODELS / "all-minilm"
    if not chat.is_file() or not embed.is_dir():
        missing(f"no model files in {MODELS}; `make up` brings them")
    with container(OLLAMA_IMAGE, 11434, OLLAMA_OPTIONS, missing) as address:
        create_model(address, CHAT_MODEL, {chat.name: chat})
        create_model(
            address, EMBED_MODEL, {str(f.relative_to(embed)): f for f in embed.rglob("*") if f.is_file()}
        )
        yield address


@contextmanager
def container(
    image: str,
    port: int,
    options: list[str],
    missing: Missing = pytest.fail,
    *,
    name: str = "",
    published: int = 0,
    ready: str = "/",
) -> Iterator[str]:
    """A container of `image`, its address, and its end; `published` 0 is any free port, `ready` a path."""
    if not _has(image):
        missing(f"no Docker Engine, or no image {image}; `make up` brings both")
    with started(image, port, options, name=name, published=published) as (name, address):
        wait_for(f"{address}{ready}", name)
        yield address


@contextmanager
def started(
    image: str, port: int, options: list[str], *, name: str = "", published: int = 0
) -> Iterator[tuple[str, str]]:
    """A container as in `container`, which may not answer yet: its name and address."""
    name = name or f"ragdock-test-{uuid.uuid4().hex[:8]}"
    # Containers do not inherit the niceness of these tests; the kernel divides by 1.25 for each level.
    weight = ["--cpu-shares", str(int(1024 / 1.25 ** os.nice(0)))]
    about = ["--name", name, "-p", f"127.0.0.1:{published}:{port}", *weight, *options]
    run = ["docker", "run", "-d", *about, image]
    subprocess.run(run, capture_output=True, check=True, text=True)
    try:
        found = subprocess.run(
            ["docker", "port", name, str(port)], capture_output=True, check=True, text=True
        ).stdout.split()[0]
        yield name, f"http://{found}"
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def _has(image: str) -> bool:
    inspect = ["docker", "image", "inspect", image]
    try:
        return subprocess.run(inspect, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:  # not even the client
        return False


def wait_for(address: str, name: str) -> None:
    """Wait until it answers; its log is shown when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 - our own container
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(1)
    log = subprocess.run(
        ["docker", "logs", "--tail", "40", name], capture_output=True, check=False, text=True
    )
    pytest.fail(
        f"{name} did not answer within {START_SECONDS:.0f} s; its log ends:\n{log.stdout}{log.stderr}"
    )


def create_model(address: str, model: str, files: dict[str, Path]) -> None:
    """Make a model from its files."""
    digests = {name: push_blob(address, path) for name, path in files.items()}
    body = json.dumps({"model": model, "files": digests, "stream": False}).encode()
    with urllib.request.urlopen(f"{address}/api/create", data=body, timeout=300) as reply:  # noqa: S310
        assert json.load(reply)["status"] == "success"


def push_blob(address: str, path: Path) -> str:
    """Bring a file into Ollama; its digest."""
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    url = f"{address}/api/blobs/{digest}"
    try:
        # Ask first: Ollama resets the connection of a second upload of what it has.
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=30).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=300).close()  # noqa: S310
    return digest
