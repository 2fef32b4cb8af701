"""The proxy of remote models: its rendered configuration, in the real Caddy, in front of a TLS server."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
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
from ansible_collections.ragdock.host.plugins.module_utils.remote import Remote, RemoteError
from ansible_collections.ragdock.host.plugins.module_utils.verify import networks as of_networks
from ansible_collections.ragdock.host.plugins.module_utils.verify.services import REFUSED_REMOTE
from tests.unit.stack.rendering import Render
from tests.unit.verify.fake_stack import authority

KEY = "sk-the-key-of-the-model-elsewhere"
ANSWER_SECONDS = 10.0


@dataclass
class Elsewhere:
    """A server that speaks OpenAI's API and records the requests."""

    port: int = 0
    status: int = 200
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    # Set when a client hangs up in the middle of a stream.
    left: threading.Event = field(default_factory=threading.Event)
    endless: bool = False

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """A handler for its requests."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.seen.append((self.path, dict(self.headers), body))
                self.send_response(server.status)
                self.send_header("Set-Cookie", "who=you")
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                if self.path.endswith("/embeddings"):
                    self.wfile.write(json.dumps({"data": [{"embedding": [0.0] * 3}]}).encode())
                    return
                try:
                    self.wfile.write(b'data: {"choices": []}\n\n')
                    while server.endless:
                        self.wfile.write(b"data: {}\n\n")
                        time.sleep(0.02)
                except OSError:
                    server.left.set()

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        return Handler


def free_port() -> int:
    """A port that is not in use."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Elsewhere, Path]]:
    """The server, and the certificate of its authority."""
    pem = authority(tmp_path_factory.mktemp("elsewhere"))
    elsewhere = Elsewhere()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), elsewhere.handler())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    elsewhere.port = listener.server_address[1]
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    certificate = pem.with_name("ca.pem")
    certificate.write_text(pem.read_text().partition("-----BEGIN PRIVATE")[0])
    yield elsewhere, certificate
    listener.shutdown()
    listener.server_close()


@dataclass
class Proxy:
    """The running proxy."""

    port: int
    keys: Path
    log: Path


@pytest.fixture(scope="module")
def proxy(
    server: tuple[Elsewhere, Path],
    render: Render,
    secret_values: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """Run Caddy with the configuration of a release that has remote models, one of them on no server."""
    elsewhere, certificate = server
    here = tmp_path_factory.mktemp("proxy")
    keys, port, health = here / "keys", free_port(), free_port()
    keys.mkdir()
    (keys / "talker").write_text(f"{KEY}\n")
    of_both = {
        "source": "openai", "base_url": f"https://127.0.0.1:{elsewhere.port}/v1", "ca_file": str(certificate)
    }  # fmt: skip
    rendered = render(
        _stack_remote_keys=str(keys),
        _stack_remote_port=port,
        secret_values=secret_values | {"remote_talker": KEY},
        ragdock_models=[
            {"name": "talker", "use": ["chat"], "key": {"parameter": "remote_talker"}, **of_both},
            {"name": "vectors", "use": ["embed"], "key": "none", **of_both},
            {
                "name": "gone",
                "use": ["chat"],
                "key": "none",
                "source": "openai",
                "base_url": f"https://127.0.0.1:{free_port()}/v1",
            },
        ],
    )
    for name, text in rendered["files"].items():
        if name.startswith("config/remote/"):
            (here / name.rpartition("/")[2]).write_text(
                text.replace("/etc/caddy/", f"{here}/").replace("127.0.0.1:8080", f"127.0.0.1:{health}")
            )
    program = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "run `make deps-tests`: it installs Caddy"
    log = here / "log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [program, "run", "--config", str(here / "Caddyfile"), "--adapter", "caddyfile"],
            stdout=out,
            stderr=out,
        )
        try:
            until = time.monotonic() + ANSWER_SECONDS
            while not of_networks.connects(("127.0.0.1", port)):
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield Proxy(port, keys, log)
        finally:
            running.terminate()
            running.wait()


@pytest.fixture
def elsewhere(server: tuple[Elsewhere, Path]) -> Elsewhere:
    """The server, reset: no recorded requests and no fault."""
    server[0].seen.clear()
    server[0].status, server[0].endless = 200, False
    server[0].left.clear()
    return server[0]


@pytest.fixture
def asked(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A client of the proxy, as on its host."""
    monkeypatch.setattr(of_the_proxy, "PORT", proxy.port)
    return Remote("127.0.0.1", ANSWER_SECONDS)


def connect(proxy: Proxy) -> http.client.HTTPConnection:
    """A connection to the proxy, for requests that the modules never send."""
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=ANSWER_SECONDS)


def test_a_question_reaches_the_named_path_with_the_key_and_nothing_of_its_sender(
    elsewhere: Elsewhere, proxy: Proxy
) -> None:
    connection = connect(proxy)
    headers = {
        "Host": f"remote:{proxy.port}", "Authorization": "Bearer of-the-sender", "Cookie": "session=1",
        "User-Agent": "spy", "X-Forwarded-For": "10.0.0.1", "Content-Type": "text/plain",
    }  # fmt: skip
    connection.request("POST", "/talker/chat/completions", body=b'{"model": "talker"}', headers=headers)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Set-Cookie")) == (200, None)
    assert answer.read() == b'data: {"choices": []}\n\n'
    connection.close()
    ((path, sent, body),) = elsewhere.seen
    assert (path, body) == ("/v1/chat/completions", b'{"model": "talker"}')
    assert sent == {
        "Host": f"127.0.0.1:{elsewhere.port}", "Content-Length": str(len(body)),
        "Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "User-Agent": "ragdock",
    }  # fmt: skip


def test_a_server_without_a_key_is_sent_none(elsewhere: Elsewhere, asked: Remote) -> None:
    assert asked.ask("vectors", "vectors", embed=True) == "3 dimensions"
    ((path, sent, _),) = elsewhere.seen
    assert path == "/v1/embeddings"
    assert "Authorization" not in sent


def test_another_key_is_used_from_the_next_request_on(
    elsewhere: Elsewhere, proxy: Proxy, asked: Remote
) -> None:
    """A rotation and the job `keys` change it this way: write a file beside it, then rename."""
    (proxy.keys / "new").write_text("another")
    (proxy.keys / "new").replace(proxy.keys / "talker")
    try:
        assert asked.ask("talker", "talker", embed=False) == "answers"
        assert elsewhere.seen[0][1]["Authorization"] == "Bearer another"
    finally:
        (proxy.keys / "talker").write_text(f"{KEY}\n")


@pytest.mark.parametrize(("method", "target"), REFUSED_REMOTE)
def test_everything_else_is_refused_and_reaches_nobody(
    elsewhere: Elsewhere, proxy: Proxy, asked: Remote, method: str, target: str
) -> None:
    assert asked.status(method, target.format(slug="talker"), f"remote:{proxy.port}") == 403
    assert elsewhere.seen == []


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "169.254.169.254"])
def test_a_request_by_another_name_is_refused(elsewhere: Elsewhere, asked: Remote, host: str) -> None:
    assert asked.status("POST", "/talker/chat/completions", host) == 403
    assert elsewhere.seen == []


def test_a_model_is_asked_only_for_what_it_is_used_for(
    elsewhere: Elsewhere, proxy: Proxy, asked: Remote
) -> None:
    host = f"remote:{proxy.port}"
    assert asked.status("POST", "/talker/embeddings", host) == 403
    assert asked.status("POST", "/vectors/chat/completions", host) == 403
    assert elsewhere.seen == []


def test_a_request_that_is_too_large_is_refused(elsewhere: Elsewhere, proxy: Proxy) -> None:
    """It is refused by its length, before any of it is sent on."""
    connection = connect(proxy)
    connection.putrequest("POST", "/talker/chat/completions", skip_host=True)
    connection.putheader("Host", "remote")
    connection.putheader("Content-Length", "4000000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert elsewhere.seen == []


def test_a_request_that_does_not_say_its_length_is_refused(elsewhere: Elsewhere, proxy: Proxy) -> None:
    connection = connect(proxy)
    connection.request(
        "POST",
        "/talker/chat/completions",
        body=iter([b"{}"]),
        headers={"Host": "remote"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 403
    connection.close()
    assert elsewhere.seen == []


def test_a_long_prompt_passes(elsewhere: Elsewhere, proxy: Proxy) -> None:
    connection = connect(proxy)
    body = b"x" * 3_900_000
    connection.request("POST", "/talker/chat/completions", body=body, headers={"Host": "remote"})
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    connection.close()
    assert elsewhere.seen[0][2] == body


def test_who_hangs_up_ends_the_answer_at_the_server(elsewhere: Elsewhere, asked: Remote) -> None:
    """Otherwise the model would continue to write for nobody, and each token is billed."""
    elsewhere.endless = True
    assert asked.ask("talker", "talker", embed=False) == "answers"
    assert elsewhere.left.wait(ANSWER_SECONDS)


@pytest.mark.parametrize(("status", "says"), [(401, "refuses the key"), (429, "quota"), (500, "could not")])
def test_a_refusal_arrives_with_what_to_do(
    elsewhere: Elsewhere, asked: Remote, status: int, says: str
) -> None:
    elsewhere.status = status
    with pytest.raises(RemoteError, match=f"answered {status}.*{says}"):
        asked.ask("talker", "talker", embed=False)


def test_who_looks_whether_the_proxy_runs_asks_no_server_and_fills_no_log(
    elsewhere: Elsewhere, proxy: Proxy, asked: Remote
) -> None:
    """The services send this request every few seconds."""
    before = proxy.log.read_text()
    assert asked.status("GET", "/", f"remote:{proxy.port}") == 204
    assert elsewhere.seen == []
    assert proxy.log.read_text() == before


def test_the_log_says_why_a_server_does_not_answer(asked: Remote, proxy: Proxy) -> None:
    with pytest.raises(RemoteError, match="answered 502"):
        asked.ask("gone", "gone", embed=False)
    assert "connection refused" in proxy.log.read_text()


def test_no_key_is_in_the_log(asked: Remote, proxy: Proxy, elsewhere: Elsewhere) -> None:
    asked.ask("talker", "talker", embed=False)
    asked.status("POST", "/elsewhere", f"remote:{proxy.port}")
    text = proxy.log.read_text()
    assert "/elsewhere" in text
    assert KEY not in text
