"""Sends one signed request to the AWS APIs, with few imports because every SSH connection starts with it."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from typing import Any, NamedTuple

SERVICE = "ssm"


class Keys(NamedTuple):
    """Credentials."""

    access_key: str
    secret_key: str
    token: str = ""


class RefusedError(Exception):
    """AWS answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code of the error."""
        super().__init__(f"An error occurred ({code}): {message}")
        self.code = code


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def headers(body: bytes, operation: str, host: str, region: str, keys: Keys, now: str) -> dict[str, str]:
    """Return the headers of a request, with its signature (version 4)."""
    found = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": now,
        "x-amz-target": f"AmazonSSM.{operation}",
    }
    if keys.token:
        found["x-amz-security-token"] = keys.token
    names = ";".join(sorted(found))
    lines = "".join(f"{name}:{found[name]}\n" for name in sorted(found))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{now[:8]}/{region}/{SERVICE}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, text).hex()
    found["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return found


def call(endpoint: str, region: str, keys: Keys, operation: str, values: dict[str, Any]) -> dict[str, Any]:
    """Call an operation of Systems Manager."""
    host = endpoint.removeprefix("http://").rstrip("/")
    name, _, port = host.partition(":")
    body = json.dumps(values).encode()
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    lines = "".join(
        f"{key}: {one}\r\n" for key, one in headers(body, operation, host, region, keys, now).items()
    )
    with socket.create_connection((name, int(port or 80)), 10) as connection:
        # With HTTP/1.0 the answer is not chunked, and the server closes the connection after it.
        connection.sendall(f"POST / HTTP/1.0\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        with connection.makefile("rb") as stream:
            head, _, content = stream.read().partition(b"\r\n\r\n")
    answer: dict[str, Any] = json.loads(content or b"{}")
    if head.split(None, 2)[1] != b"200":
        said = answer.get("message") or answer.get("Message") or ""
        raise RefusedError(str(answer.get("__type", "Unknown")).rpartition("#")[2], str(said))
    return answer
