"""The sandbox's server of remote models: keys, faults, and answers that are passed on as they arrive."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox import remote
from sandbox.elsewhere import server
from sandbox.settings import Sandbox

KEY = "sk-right"
ANSWER = b'data: {"choices": []}\n\ndata: [DONE]\n\n'


class Ollama(BaseHTTPRequestHandler):
    """Answers with a stream of two pieces and records the requests."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def serving(answers: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve on a free port."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(found.server_address[1])
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    """The requests that reached Ollama."""
    return []


@pytest.fixture
def port(tmp_path: Path, asked: list[dict[str, Any]]) -> Iterator[int]:
    """The port of the sandbox's server, without TLS."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    Ollama.asked = asked
    with ExitStack() as stack:
        behind = stack.enter_context(serving(Ollama))
        answers = server.handler(
            tmp_path, server.own_key(tmp_path), f"http://127.0.0.1:{behind}", {"known": "as-ollama-has-it"}
        )
        yield stack.enter_context(serving(answers))


def ask(port: int, key: str = KEY, path: str = "/v1/chat/completions") -> tuple[int, bytes]:
    """Send a request and return the status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"model": "known", "stream": True})
        connection.request("POST", path, body, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_who_has_the_key_gets_ollamas_answer(port: int, asked: list[dict[str, Any]]) -> None:
    assert ask(port) == (200, ANSWER)
    assert asked == [{"model": "as-ollama-has-it", "stream": True}]


def test_a_wrong_key_and_another_path_are_refused(port: int, asked: list[dict[str, Any]]) -> None:
    assert ask(port, key="sk-wrong")[0] == 401
    assert ask(port, path="/v1/models")[0] == 404
    assert asked == []


@pytest.mark.parametrize("fault", ["401", "429", "500"])
def test_a_refusal_on_request(port: int, tmp_path: Path, asked: list[dict[str, Any]], fault: str) -> None:
    (tmp_path / "fault").write_text(f"{fault}\n")
    assert ask(port)[0] == int(fault)
    assert asked == []
    (tmp_path / "fault").unlink()
    assert ask(port)[0] == 200


def test_a_stream_that_is_cut_has_no_end(port: int, tmp_path: Path) -> None:
    (tmp_path / "fault").write_text("cut\n")
    with pytest.raises(http.client.IncompleteRead):
        ask(port)


def test_the_settings_name_both_servers_and_no_key() -> None:
    models = remote._models(Sandbox())
    assert [one["base_url"] for one in models if one["source"] == "openai"] == [
        "https://10.99.0.6:8443/v1",
        "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
    ]
    assert "sk-" not in json.dumps(models)


def test_the_embedder_runs_there_on_request_only() -> None:
    found = {
        embed: next(one for one in remote._models(Sandbox(), embed=embed) if one["use"] == ["embed"])
        for embed in (False, True)
    }
    assert (found[False]["name"], found[False]["source"]) == ("all-minilm", "files")
    assert (found[True]["name"], found[True]["source"]) == ("all-minilm-elsewhere", "openai")
    assert found[True]["name"] in remote.KNOWN
