"""The `elsewhere` container's program: TLS, keys and faults in front of Ollama's OpenAI-compatible API."""

from __future__ import annotations

import hmac
import http.client
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FOLDER = Path("/run/elsewhere")
OWN_PORT, BEDROCK_PORT = 8443, 443
BEDROCK_PATH = "/openai"
SECONDS = 300
# Fault -> HTTP status that is returned in place of the model's answer.
REFUSALS = {"401": 401, "429": 429, "500": 500}
FAULTS = (*REFUSALS, "cut", "slow")
SLOW_SECONDS = 600.0

# Key, model and whether it streams -> why the key is refused; empty if it is accepted.
Check = Callable[[str, str, bool], str]


def own_key(folder: Path) -> Check:
    """Return a check for the single key of a self-hosted server."""

    def check(given: str, _model: str, _streams: bool) -> str:
        known = (folder / "key").read_text().strip()
        return "" if hmac.compare_digest(given, known) else "Incorrect API key provided."

    return check


def key_of_bedrock(endpoint: str, region: str) -> Check:
    """Return a check that asks the AWS APIs about a Bedrock key."""

    def check(given: str, model: str, streams: bool) -> str:
        at = urlsplit(endpoint)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
        words = {"X-Key": given, "X-Model": model, "X-Region": region, "X-Stream": str(streams).lower()}
        try:
            connection.request("GET", "/sandbox/bedrock", headers=words)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        return "" if answer.status == http.HTTPStatus.OK else text

    return check


def handler(
    folder: Path, check: Check, ollama: str, names: dict[str, str], prefix: str = ""
) -> type[BaseHTTPRequestHandler]:
    """Return a handler that answers like OpenAI's API; NAMES maps public model names to Ollama's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer one request to a model."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix(prefix)
            known = path in ("/v1/chat/completions", "/v1/embeddings") and self.path.startswith(prefix)
            try:
                asked = dict(json.loads(body))
            except (TypeError, ValueError):
                asked = {}
            model, streams = str(asked.get("model", "")), bool(asked.get("stream"))
            fault = self._fault()
            given = str(self.headers.get("Authorization", "")).removeprefix("Bearer ")
            if why := check(given, model, streams):
                self._refuse(401, why)
            elif not known:
                self._refuse(404, f"There is no {self.path}.")
            elif fault in REFUSALS:
                self._refuse(REFUSALS[fault], f"The fault {fault} is on.")
            else:
                if fault == "slow":
                    time.sleep(SLOW_SECONDS)
                asked["model"] = names.get(model, model)
                self._pass(path, json.dumps(asked).encode(), cut=fault == "cut")

        def _fault(self) -> str:
            path = folder / "fault"
            return path.read_text().strip() if path.exists() else ""

        def _refuse(self, status: int, why: str) -> None:
            text = json.dumps({"error": {"message": why, "type": "sandbox", "code": str(status)}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if status == http.HTTPStatus.TOO_MANY_REQUESTS:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(text)

        def _pass(self, path: str, body: bytes, *, cut: bool) -> None:
            """Pass on Ollama's answer as it arrives; with `cut`, only its beginning."""
            at = urlsplit(ollama)
            connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=SECONDS)
            try:
                connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
                answer = connection.getresponse()
            except OSError as error:
                connection.close()
                self._refuse(http.HTTPStatus.BAD_GATEWAY, f"Ollama does not answer: {error}")
                return
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
                # Chunked encoding lets the client notice that an answer was cut off.
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while data := answer.read1(65536):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                    if cut:
                        self.close_connection = True
                        return
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                # The client disconnected: end the request to the model too.
                self.close_connection = True
            finally:
                connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Log the client and its request, but never a key."""
            sys.stdout.write(f"{self.address_string()} {format % args}\n")
            sys.stdout.flush()

    return Handler


def listen(
    address: str, port: int, certificates: Path, answers: type[BaseHTTPRequestHandler]
) -> ThreadingHTTPServer:
    """Return a server with TLS."""
    server = ThreadingHTTPServer((address, port), answers)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    # Each connection's thread does its own handshake, so that a slow one does not block the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def main() -> None:
    """Serve both endpoints forever."""
    ollama, names = os.environ["OLLAMA"], json.loads(os.environ["NAMES"])
    bedrock = key_of_bedrock(os.environ["AWS_ENDPOINT"], os.environ["AWS_REGION"])
    servers = [
        listen("0.0.0.0", OWN_PORT, FOLDER / "own", handler(FOLDER, own_key(FOLDER), ollama, names)),  # noqa: S104
        listen(
            "0.0.0.0",  # noqa: S104
            BEDROCK_PORT,
            FOLDER / "bedrock",
            handler(FOLDER, bedrock, ollama, names, BEDROCK_PATH),
        ),
    ]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
