"""A throwaway node is queried without TLS, by the same code as the stack's own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.https import UnreachableError, trust
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import NAME, Plain


class Handler(BaseHTTPRequestHandler):
    """Answers like a node, with the Host header that it received."""

    def do_GET(self) -> None:
        """Answer with a version."""
        body = b'{"version": {"number": "2.19.1"}}'
        self.send_response(200)
        self.send_header("X-Asked-As", self.headers["Host"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def test_a_node_without_tls_answers_and_is_named_when_it_is_gone() -> None:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    node = Plain(NAME, "127.0.0.1", port, trust(""))
    try:
        reply = node.send("GET", "/", timeout=5)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert reply.json()["version"]["number"] == "2.19.1"
    assert reply.headers["x-asked-as"] == "opensearch"
    with pytest.raises(UnreachableError, match=rf"GET http://opensearch/ at 127\.0\.0\.1:{port}: .*refused"):
        node.send("GET", "/", timeout=5)
