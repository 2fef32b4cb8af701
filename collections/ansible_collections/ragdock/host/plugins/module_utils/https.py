"""HTTPS to one address with the certificate of another name (or HTTP), with readable errors."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        """Parse the body as a JSON object; empty if it is anything else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {"value": value}

    def excerpt(self) -> str:
        """Status and the first words of the body, for a message."""
        text = " ".join(self.body.decode("utf-8", "replace").split())
        return f"{self.status} {text[:300]}".strip()


class UnreachableError(Exception):
    """The request could not be sent. The text says what happened."""


class _PinnedConnection(http.client.HTTPSConnection):
    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        super().__init__(endpoint.name, endpoint.port, context=endpoint.context, timeout=timeout)
        self._endpoint = endpoint

    def connect(self) -> None:
        plain = socket.create_connection((self._endpoint.address, self._endpoint.port), self.timeout)
        self.sock = self._endpoint.context.wrap_socket(plain, server_hostname=self._endpoint.name)


def trust(ca_pem: str, *, system: bool = False) -> ssl.SSLContext:
    """A context that trusts the given authorities; the system's as well if SYSTEM, or if none is given."""
    context = ssl.create_default_context(cadata=ca_pem) if ca_pem.strip() else ssl.create_default_context()
    if system:
        context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def unverified(host: str, port: int, seconds: float) -> Iterator[ssl.SSLSocket]:
    """A TLS connection for inspecting what a server presents: send nothing secret. Raises OSError."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), seconds) as plain, anybody.wrap_socket(plain) as tls:
        yield tls


@dataclass(frozen=True)
class Endpoint:
    """A server: the name in its certificate, the address where it is, and whom to trust."""

    name: str
    address: str
    port: int
    context: ssl.SSLContext
    scheme: ClassVar[str] = "https"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection to the address, verified by the name."""
        return _PinnedConnection(self, timeout)

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request and return the response."""
        connection = self.connection(timeout)
        try:
            connection.request(method, path, body=body, headers={"Host": self.name} | (headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(
                f"the certificate shown at {self.address}:{self.port} for {self.name} was refused: "
                f"{error.verify_message}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(
                f"{method} {self.scheme}://{self.name}{path} at {self.address}:{self.port}: {reason}"
            ) from error
        finally:
            connection.close()
