"""Instance metadata, version 2, for every host on the router's networks.

Runs in the router container with the standard library only. The host loop writes one JSON
tree for each host, named by its address; a host is identified by the source of its request.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TREES = Path("/run/metadata")
ADDRESS = "169.254.169.254"
LONGEST = 21600
TOKENS: dict[str, tuple[str, float]] = {}


def find(tree: Any, path: str) -> str | None:
    """Return the value at a path; for a folder, the names in it."""
    for part in path.strip("/").split("/"):
        if part:
            if not isinstance(tree, dict) or part not in tree:
                return None
            tree = tree[part]
    if isinstance(tree, dict):
        return "\n".join(f"{name}/" if isinstance(value, dict) else name for name, value in tree.items())
    return str(tree)


def lifetime(header: str | None) -> int | None:
    """Return the requested lifetime of a token in seconds, or None if the header is not valid."""
    if header is None or not header.isdecimal() or not 1 <= int(header) <= LONGEST:
        return None
    return int(header)


class Handler(BaseHTTPRequestHandler):
    """One request of one host."""

    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    timeout = 10

    def _host(self) -> dict[str, Any] | None:
        path = TREES / f"{self.client_address[0]}.json"
        return dict(json.loads(path.read_text())) if path.exists() else None

    def do_PUT(self) -> None:
        """Hand out a token."""
        host = self._host()
        seconds = lifetime(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"))
        if host is None or self.path != "/latest/api/token":
            return self._answer(404, "")
        if self.headers.get("X-Forwarded-For"):
            return self._answer(403, "")
        if seconds is None:
            return self._answer(400, "")
        token = secrets.token_urlsafe(40)
        TOKENS[token] = (self.client_address[0], time.monotonic() + seconds)
        # The hop limit is the IP time-to-live of this answer: with 1 it reaches the host, but
        # not a container to which the host would have to forward it.
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(host["hop_limit"]))
        self.close_connection = True
        self._answer(200, token, {"X-aws-ec2-metadata-token-ttl-seconds": str(seconds)})

    def do_GET(self) -> None:
        """Answer a request for metadata."""
        host = self._host()
        if host is None:
            return self._answer(404, "")
        token = self.headers.get("X-aws-ec2-metadata-token")
        owner, until = TOKENS.get(token or "", ("", 0.0))
        known = owner == self.client_address[0] and until > time.monotonic()
        if not known and (token is not None or host["tokens"] == "required"):
            return self._answer(401, "")
        value = find(host["tree"], self.path.partition("?")[0])
        if value is None:
            return self._answer(404, "")
        return self._answer(200, value)

    def _answer(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Log the client and its request, but never an answer, which may be a credential."""
        sys.stdout.write(f"{self.client_address[0]} {format % args}\n")
        sys.stdout.flush()


def main(aws: str) -> None:
    """Configure this container as the router: add the metadata address, forward to AWS, and serve."""
    ipaddress.ip_network(aws)
    for command in (
        ["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"],
        ["iptables", "-t", "nat", "-A", "POSTROUTING", "-d", aws, "-j", "MASQUERADE"],
    ):
        subprocess.run(command, check=True)
    ThreadingHTTPServer((ADDRESS, 80), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
