"""Client of the public endpoint: HTTPS by its public name, at a chosen address.

The host connects to its own port 443, the operator to the public address; both require the
certificate of the public name.
"""

from __future__ import annotations

import time
import uuid

from ansible_collections.ragdock.host.plugins.module_utils.https import Endpoint, Reply, trust


def multipart(field: str, filename: str, content: bytes, content_type: str) -> tuple[bytes, str]:
    """One file as multipart/form-data: the body and its content type."""
    boundary = uuid.uuid4().hex
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{filename}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return (
        head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


class PublicEndpoint:
    """The public endpoint. Every request has a timeout."""

    def __init__(self, name: str, address: str, port: int, ca_pem: str, token: str) -> None:
        self.name = name
        self._endpoint = Endpoint(name, address, port, trust(ca_pem))
        self._token = token

    def url(self, path: str) -> str:
        """The public URL of a path, as a reader would type it."""
        return f"https://{self.name}{path}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        body: bytes | None = None,
        content_type: str = "application/json",
        token: str | None = None,
    ) -> Reply:
        """One request; `token` replaces the endpoint's own ("" sends none)."""
        headers = {"Accept": "application/json, text/html;q=0.9", "User-Agent": "ragdock-smoke-test"}
        if body is not None:
            headers["Content-Type"] = content_type
        bearer = self._token if token is None else token
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return self._endpoint.send(method, path, timeout=timeout, headers=headers, body=body)


class Stopwatch:
    """Seconds of each step, by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Close a step."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
