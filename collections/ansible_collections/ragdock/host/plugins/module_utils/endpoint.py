"""Client of the public endpoint: HTTPS by its public name, at a chosen address.

The host connects to its own port 443, the operator to the public address; both require the
certificate of the public name.
"""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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


# The name of the deployment's own CA (roles/aws_secrets).
OWN_CA = "Ragdock edge CA"


@dataclass(frozen=True)
class Certificate:
    """The certificate that the endpoint presents."""

    issuer: str
    begins: datetime
    ends: datetime
    tls: str

    @property
    def own(self) -> bool:
        """Whether the deployment's own CA issued it."""
        return self.issuer == OWN_CA

    def left(self, now: datetime) -> timedelta:
        """How long it is still valid."""
        return self.ends - now

    def enough(self, now: datetime) -> bool:
        """Whether it was renewed in time: the edge renews it when a third of the lifetime is left."""
        return self.left(now) > (self.ends - self.begins) / 7

    def __str__(self) -> str:
        """Who issued it, and how long it is valid."""
        hours = self.left(datetime.now(UTC)).total_seconds() / 3600
        remaining = f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} hours"
        return f"{self.tls}, by {self.issuer}, valid for {remaining}"


class PublicEndpoint:
    """The public endpoint. Every request has a timeout.

    Its certificate is verified as a browser does, with the system's authorities and those of CA_PEM.
    """

    def __init__(self, name: str, address: str, port: int, ca_pem: str, token: str) -> None:
        self.name = name
        self._endpoint = Endpoint(name, address, port, trust(ca_pem, system=True))
        self._token = token

    def certificate(self, timeout: float) -> Certificate:
        """Connect and return the verified certificate."""
        at = self._endpoint
        with (
            socket.create_connection((at.address, at.port), timeout) as plain,
            at.context.wrap_socket(plain, server_hostname=at.name) as tls,
        ):
            shown: dict[str, Any] = dict(tls.getpeercert() or {})
            version = str(tls.version())
        issuer: dict[str, str] = dict(pair for part in shown["issuer"] for pair in part)
        begins, ends = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(shown[key]), UTC)
            for key in ("notBefore", "notAfter")
        )
        name = issuer.get("commonName", "")
        if name != OWN_CA:
            # The name of an intermediate is only a number (Let's Encrypt: YE1).
            name = " ".join(filter(None, (issuer.get("organizationName", ""), name)))
        return Certificate(name, begins, ends, version)

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
        """Send one request; `token` replaces the endpoint's own ("" sends none)."""
        headers = {"Accept": "application/json, text/html;q=0.9", "User-Agent": "ragdock-smoke-test"}
        if body is not None:
            headers["Content-Type"] = content_type
        bearer = self._token if token is None else token
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return self._endpoint.send(method, path, timeout=timeout, headers=headers, body=body)


class Stopwatch:
    """Measures the seconds of each step, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Close a step."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
