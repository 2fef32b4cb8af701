"""A fake Ragdock behind real TLS: enough of the API for the smoke test, with faults on request."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = "the-right-token"
NAME = "127.0.0.1"
CONTRACT = {"model": "embedder", "digest": "d1", "dimension": 3}


def authority(where: Path) -> Path:
    """A self-signed certificate that is also its own authority: a PEM file that ends with the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake stack")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(NAME))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = where / "endpoint.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


class FakeStack:
    """A stack with its documents in memory; `fault` names what goes wrong."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.documents: dict[str, dict[str, Any]] = {}

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON value (or a page)."""
        if path == "/":
            return 200, "landing" if self.fault == "no page" else "<html>landing</html>"
        if path == "/login":
            return (502 if self.fault == "no login" else 200), "<html>login</html>"
        if path == "/api/health":
            return (503 if self.fault == "no health" else 200), {}
        if token != TOKEN and self.fault != "any token":
            return 401, {"error": {"code": "not_logged_in"}}
        if path == "/api/status":
            return 200, {
                "release": "r1",
                "documents": {"ready": 0},
                "index_contract": CONTRACT,
                "remote_models": [{"name": "big", "host": "models.example.org"}],
                "ingestion": {
                    "rebuilding": 7 if self.fault.startswith("rebuild") else None,
                    "paused": "models.example.org has used up its tokens"
                    if self.fault == "rebuild paused"
                    else None,
                },
            }
        return self._product(method, path, body)

    def _product(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("POST", "/api/documents"):
            return self._upload(body)
        if (method, path) == ("GET", "/api/documents"):
            return 200, {"documents": list(self.documents.values())}
        if path == "/api/search":
            if self.fault == "rebuild without search":
                return 503, {"error": {"code": "opensearch_unavailable"}}
            return 200, {"results": self._named(body) if self.fault == "finds the deleted" else []}
        if path == "/api/ask":
            fallback = self.fault.startswith("fallback")
            degraded = fallback or self.fault == "degraded"
            uncited = self.fault in ("no citation", "fallback without citation", "fallback with passage")
            cited = [] if uncited else self._named(body)
            return 200, {
                "answer": "In the harbour.",
                "citations": cited,
                "degraded": degraded,
                "reason": "fallback_model" if fallback else "no_model",
                "model": "small",
                "remarks": []
                if not fallback or self.fault == "fallback for a local model"
                else ["models.example.org takes no more requests (HTTP 429)."],
                "passages": self._named(body) if self.fault == "fallback with passage" else [],
            }
        identity = path.rsplit("/", 1)[-1]
        if identity not in self.documents:
            return 404, {"error": {"code": "document_not_found"}}
        if method == "DELETE":
            if self.fault == "cannot delete":
                return 500, {"error": {"code": "internal"}}
            del self.documents[identity]
            return 204, None
        states = {"set aside": "failed", "slow": "queued"}
        state = "queued" if self.fault.startswith("rebuild") else states.get(self.fault, "ready")
        return 200, self.documents[identity] | {"state": state, "reason": "not readable"}

    def _upload(self, body: bytes) -> tuple[int, Any]:
        if self.fault == "no upload":
            return 503, {"error": {"code": "busy"}}
        found = re.search(rb'filename="([^"]+)"', body)
        assert found
        identity = f"d{len(self.documents)}"
        self.documents[identity] = {"id": identity, "name": found.group(1).decode()}
        return 202, {"id": identity, "state": "queued"}

    @staticmethod
    def _named(body: bytes) -> list[dict[str, str]]:
        return [{"document": f"{word.decode()}.md"} for word in re.findall(rb"canary[0-9a-f]{16}", body)]


@contextmanager
def serving(endpoint: FakeStack, pem: Path) -> Iterator[int]:
    """Serve the fake stack on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, value = endpoint.answer(self.command, self.path, token, body)
            text = value if isinstance(value, str) else json.dumps(value)
            message = b"" if status == 204 else text.encode()
            self.send_response(status)
            if endpoint.fault != "no HSTS":
                self.send_header("Strict-Transport-Security", "max-age=31536000")
            self.send_header("Content-Length", str(len(message)))
            self.end_headers()
            self.wfile.write(message)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 - the base class finds them by these names

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer((NAME, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
