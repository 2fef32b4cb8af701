"""The one client for OpenSearch: the stack's node as a user or as its administrator, or a throwaway one."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Self

from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    EngineError,
    Run,
    address,
    serving,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import (
    Endpoint,
    Json,
    Reply,
    UnreachableError,
    trust,
)

PORT = 9200
NAME = "opensearch"
QUICK_SECONDS = 30.0


class SearchError(Exception):
    """OpenSearch refused a request. `status` is the HTTP status, 0 without a response."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def distrusted(self) -> bool:
        """Whether one end refused the other's certificate."""
        return isinstance(getattr(self.__cause__, "__cause__", None), ssl.SSLError)


@dataclass(frozen=True)
class Plain(Endpoint):
    """A server without TLS, on an isolated network."""

    scheme: ClassVar[str] = "http"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """A connection without TLS."""
        return http.client.HTTPConnection(self.address, self.port, timeout=timeout)


@dataclass(frozen=True)
class Stack(Endpoint):
    """The stack's node, found again for each request: it may have restarted in the meantime."""

    run: Run
    project: str

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
        try:
            host = address(serving(self.run, self.project, NAME))
        except EngineError as error:
            raise UnreachableError(str(error)) from error
        found = Endpoint(self.name, host, self.port, self.context)
        return found.send(method, path, timeout=timeout, headers=headers, body=body)


def admin_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """A context that trusts the authority and presents the administrator's certificate."""
    context = trust(ca)
    # OpenSSL reads keys from files only, so they are in a private directory that is removed at once.
    with tempfile.TemporaryDirectory() as private:
        files = Path(private, "cert.pem"), Path(private, "key.pem")
        files[0].write_text(cert, encoding="utf-8")
        files[1].touch(mode=0o600)
        files[1].write_text(key, encoding="utf-8")
        context.load_cert_chain(*files)
    return context


@dataclass(frozen=True)
class OpenSearch:
    """One node, with one user's credentials."""

    endpoint: Endpoint
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def as_user(cls, host: str, ca: str, user: str = "", password: str = "") -> Self:
        """The node at an address, as a user; without one, anonymous."""
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"} if user else {}
        return cls(Endpoint(NAME, host, PORT, trust(ca)), headers)

    @classmethod
    def live(cls, run: Run, project: str, ca: str, user: str, password: str) -> Self:
        """The node of the running stack, as one of its users."""
        return cls.as_user(address(serving(run, project, NAME)), ca, user, password)

    @classmethod
    def as_admin(cls, run: Run, project: str, ca: str, cert: str, key: str) -> Self:
        """The stack's node, with the administrator's certificate."""
        return cls(Stack(NAME, "", PORT, admin_context(ca, cert, key), run, project))

    @classmethod
    def throwaway(cls, host: str) -> Self:
        """A node without security."""
        return cls(Plain(NAME, host, PORT, ssl.create_default_context()))

    def send(self, method: str, path: str, body: Any = None, *, seconds: float = QUICK_SECONDS) -> Reply:
        """Send one request and return the reply, whatever its status. Raises UnreachableError."""
        headers = self.headers | {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return self.endpoint.send(method, path, timeout=seconds, headers=headers, body=data)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        seconds: float = QUICK_SECONDS,
        absent: Json | None = None,
    ) -> Json:
        """Send one request that must succeed; `absent` is returned in place of a 404."""
        try:
            reply = self.send(method, path, body, seconds=seconds)
        except UnreachableError as error:
            raise SearchError(f"OpenSearch does not answer: {error}") from error
        if reply.status == HTTPStatus.NOT_FOUND and absent is not None:
            return absent
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            raise SearchError(f"{method} {path.split('?')[0]} answered {reply.excerpt()}", reply.status)
        found: Json = reply.json()
        return found
