"""Trust `X-Forwarded-*` from the edge, and from nobody else.

The edge is another container whose address changes whenever it is recreated, so it is
identified by its name on the network: the peer of a connection is trusted if that name
resolves to the peer's address. From any other peer the headers are removed, so that no
inner component (Gradio reads them too) can be deceived.
"""

import asyncio
import ipaddress
import socket
import time
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

_FORWARDED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
_RESOLVE_AGAIN_SECONDS = 5.0
"""Minimum between two lookups: requests from unknown peers must not flood the resolver."""


@dataclass
class EdgeAddresses:
    """The addresses that the edge's host name resolves to, refreshed regularly."""

    host: str
    _known: frozenset[str] = field(default=frozenset(), init=False)
    _asked_at: float = field(default=float("-inf"), init=False)

    async def include(self, peer: str) -> bool:
        """Whether `peer` is the edge; with an empty host name nobody is trusted."""
        if not self.host:
            return False
        expired = time.monotonic() - self._asked_at > _RESOLVE_AGAIN_SECONDS
        if expired:
            self._known = await self._resolve()
            self._asked_at = time.monotonic()
        return peer in self._known

    async def _resolve(self) -> frozenset[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except socket.gaierror:
            # The edge is not up (yet), so no peer can be the edge.
            return frozenset()
        return frozenset(str(address[0]) for *_, address in found)


class TrustEdge:
    """ASGI middleware: sets the client's address and scheme to those that the edge saw."""

    def __init__(self, app: ASGIApp, edge_host: str) -> None:
        """Wrap `app`; `edge_host` is the edge's name on the Docker network."""
        self._app = app
        self._edge = EdgeAddresses(edge_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite client and scheme if the peer is the edge, else drop its X-Forwarded-* headers."""
        if scope["type"] in {"http", "websocket"}:
            scope = dict(scope)
            peer = scope["client"][0] if scope.get("client") else ""
            if await self._edge.include(peer):
                _believe(scope)
            else:
                scope["headers"] = [
                    (name, value) for name, value in scope["headers"] if name not in _FORWARDED
                ]
        await self._app(scope, receive, send)


def _believe(scope: Scope) -> None:
    headers = dict(scope["headers"])
    # The edge appends its own peer last; anything before that came from the client.
    client = headers.get(b"x-forwarded-for", b"").decode("latin-1").rpartition(",")[2].strip()
    if is_address(client):
        scope["client"] = (client, 0)
    scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1").strip().lower()
    if scheme in {"http", "https"}:
        websocket = scope["type"] == "websocket"
        scope["scheme"] = scheme.replace("http", "ws") if websocket else scheme


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
