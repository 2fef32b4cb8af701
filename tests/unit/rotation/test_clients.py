"""While a secret is rotated, services accept both values, and the deployment provides both."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.ragdock.host.plugins.filter import stack
from rag_app.sessions import either
from rag_core.errors import OpenSearchRefused
from rag_core.index.client import IndexClient


class Engine(ThreadingHTTPServer):
    """A server that accepts one password and counts refusals."""

    taken = "old"
    refused = 0


class Handler(BaseHTTPRequestHandler):
    """Answers as OpenSearch does."""

    server: Engine

    def do_GET(self) -> None:
        """Answer with the health if the password is right."""
        right = base64.b64encode(f"user:{self.server.taken}".encode()).decode()
        good = self.headers.get("Authorization") == f"Basic {right}"
        self.server.refused += not good
        body = b'{"status": "green"}' if good else b"Unauthorized"
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json" if good else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A server that accepts the old password."""
    server = Engine(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client(engine: Engine, password: str) -> IndexClient:
    """A client of that server."""
    address = f"http://127.0.0.1:{engine.server_address[1]}"
    return IndexClient(address=address, alias="a", user="user", password=password, ca=None, timeout=5)


def test_no_request_fails_when_the_password_changes_under_a_client(engine: Engine) -> None:
    """OpenSearch keeps one password for each user, so the client must have both."""
    index = client(engine, "old\nnew")
    assert index.ping(5) == "green"
    engine.taken = "new"
    assert [index.ping(5) for _ in range(3)] == ["green"] * 3
    assert engine.refused == 1
    engine.taken = "old"
    assert index.ping(5) == "green"
    index.close()


def test_a_client_whose_passwords_are_all_refused_says_so(engine: Engine) -> None:
    """It must not retry for ever."""
    engine.taken = "another"
    index = client(engine, "old\nnew")
    with pytest.raises(OpenSearchRefused):
        index.ping(5)
    assert engine.refused == 2
    index.close()


@pytest.mark.parametrize(
    ("given", "expected", "taken"),
    [
        ("old", "old\nnew", True),
        ("new", "old\nnew", True),
        ("old", "new", False),
        ("old\nnew", "old\nnew", False),
        ("", "old\nnew", False),
    ],
)
def test_the_app_takes_each_value_and_nothing_else(given: str, expected: str, *, taken: bool) -> None:
    """Both values are accepted until the old one is dropped, but never the whole text of the file."""
    assert either(given, expected) is taken


def test_a_service_gets_both_values_only_while_they_differ() -> None:
    """After the promotion, the deployment provides only the new value."""
    values = {"api_token": "old", "api_token_next": "new", "app_password": "x", "app_password_next": "x"}
    assert stack.stack_with_both(values) == {"api_token": "old\nnew"}
    assert stack.stack_with_both({"stray_next": "1"}) == {}
