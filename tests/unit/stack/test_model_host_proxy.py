"""From the main host's proxy through the model host's to Ollama, both rendered and run in the real Caddy."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import remote as of_the_proxy
from ansible_collections.ragdock.host.plugins.module_utils.certificates import issue
from ansible_collections.ragdock.host.plugins.module_utils.releases.rolling import refuses_handshakes
from ansible_collections.ragdock.host.plugins.module_utils.remote import Remote, RemoteError
from ansible_collections.ragdock.host.plugins.module_utils.verify import networks as of_networks
from ansible_collections.ragdock.host.plugins.modules import model_host_check as checks
from tests.unit.stack.rendering import Render
from tests.unit.stack.test_model_host import MODELS, rendered_model_host
from tests.unit.stack.test_remote_proxy import ANSWER_SECONDS, free_port

HERE = "127.0.0.1"
KEY, NEXT = "k" * 40, "n" * 40
MODEL = "llama3.1:8b"


@dataclass
class FakeOllama:
    """Answers as Ollama does and records the requests."""

    port: int = 0
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """A handler for its requests."""
        ollama = self

        class Handler(BaseHTTPRequestHandler):
            # As Ollama: the end of an answer is not the end of its connection.
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ollama.seen.append((self.path, dict(self.headers)))
                # Ollama refuses a request without messages.
                answer = b'data: {"choices": []}\n\n'
                self.send_response(400 if body == b"{}" else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        return Handler


@dataclass
class Between:
    """The two running proxies."""

    port: int
    main_port: int
    folder: Path
    slug: str
    # The file from which the main host's proxy reads the key that it sends.
    main_key: Path


@contextlib.contextmanager
def caddy(configuration: Path, port: int) -> Iterator[None]:
    """Run Caddy with a configuration and wait until its port answers."""
    program = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "run `make deps-tests`: it installs Caddy"
    log = configuration.with_name("log")
    words = [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]
    with log.open("wb") as out:
        running = subprocess.Popen(words, stdout=out, stderr=out)
        try:
            until = time.monotonic() + ANSWER_SECONDS
            while not of_networks.connects((HERE, port)):
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            running.terminate()
            running.wait()


@pytest.fixture(scope="module")
def ollama() -> Iterator[FakeOllama]:
    """The server behind both proxies."""
    found = FakeOllama()
    listener = ThreadingHTTPServer((HERE, 0), found.handler())
    found.port = listener.server_address[1]
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    listener.shutdown()
    listener.server_close()


@pytest.fixture(scope="module")
def between(
    ollama: FakeOllama,
    render: Render,
    secret_values: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Between]:
    """Both proxies with one deployment's key and authority, while that key is rotated."""
    model_host, main = tmp_path_factory.mktemp("model-host"), tmp_path_factory.mktemp("main")
    port, main_port = free_port(), free_port()
    key, authority = issue({"common_name": "Ragdock model host CA"}, "demo", None).pem()
    secrets = {"model_host_ca_key": key, "model_host_ca_cert": authority, "model_host_key": KEY}
    where = {"model_host_address": HERE, "model_host_port": port}

    own = rendered_model_host(model_host, secrets | {"model_host_key_next": NEXT}, **where)
    (model_host / "secrets").mkdir()
    for one in own["secrets"]:
        (model_host / "secrets" / Path(one["path"]).name).write_text(one["content"])
    (text,) = [one["content"] for one in own["files"] if one["path"].endswith("Caddyfile")]
    for word, instead in {
        "/etc/model-host/": f"{model_host}/secrets/",
        "runner:11434": f"{HERE}:{ollama.port}",
        "/tmp/caddy": str(model_host / "store"),
        "127.0.0.1:8080": f"{HERE}:{free_port()}",
    }.items():
        assert word in text
        text = text.replace(word, instead)
    (model_host / "Caddyfile").write_text(text)

    models = [*MODELS, {"name": "all-minilm", "use": ["embed"], "source": "library"}]
    found = render(
        secret_values=secret_values | secrets, _stack_remote_keys=str(main), _stack_remote_port=main_port,
        ragdock_model_host_type="g6.xlarge", ragdock_models=models, **where,
    )  # fmt: skip
    for name, content in found["files"].items():
        if name.startswith("config/remote/"):
            content = content.replace("/etc/caddy/", f"{main}/").replace(
                "127.0.0.1:8080", f"{HERE}:{free_port()}"
            )
            (main / name.rpartition("/")[2]).write_text(content)
    (slug,) = [path.stem for path in main.glob("*.pem")]
    (main / slug).write_text(KEY)
    with caddy(model_host / "Caddyfile", port), caddy(main / "Caddyfile", main_port):
        # It listens a moment before its certificate is signed.
        until = time.monotonic() + ANSWER_SECONDS
        while refuses_handshakes(HERE, port):
            assert time.monotonic() < until, (model_host / "log").read_text()
            time.sleep(0.05)
        yield Between(port, main_port, model_host, slug, main / slug)


def test_a_question_goes_from_the_main_host_to_ollama(
    between: Between, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection uses the deployment's own authority; Ollama does not receive the key."""
    monkeypatch.setattr(of_the_proxy, "PORT", between.main_port)
    ollama.seen.clear()
    assert Remote(HERE, ANSWER_SECONDS).ask(between.slug, MODEL, embed=False) == "answers"
    ((path, headers),) = ollama.seen
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers


def test_it_passes_its_own_checks(between: Between) -> None:
    """It accepts its key and no other, and answers only requests for chat and embeddings."""
    found = list(checks.proxy({"folder": str(between.folder), "address": HERE, "port": between.port}))
    assert [row for row in found if not row.passed] == []
    assert [row.figure for row in found] == ["400", "401, 401, 401", "5 x 403"]


def test_while_its_key_is_rotated_both_are_accepted_and_then_only_the_new_one(
    between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No restart is needed, and requests with the old key are answered until the end."""
    monkeypatch.setattr(of_the_proxy, "PORT", between.main_port)
    remote = Remote(HERE, ANSWER_SECONDS)
    slot, key = between.main_key, between.folder / "secrets" / "key"
    for value in (KEY, NEXT):
        slot.write_text(value)
        assert remote.ask(between.slug, MODEL, embed=False) == "answers"
    key.write_text(NEXT)
    assert remote.ask(between.slug, MODEL, embed=False) == "answers"
    slot.write_text(KEY)
    with pytest.raises(RemoteError, match="answered 401"):
        remote.ask(between.slug, MODEL, embed=False)
    key.write_text(KEY)
