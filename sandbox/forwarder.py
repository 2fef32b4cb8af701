"""TCP carried from addresses of one machine to an instance, for those whom its security groups admit.

The standard library only: the certificate authority's container runs it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from sandbox.pump import CHUNK, join

# As long as a first packet may be lost: while an edge is replaced its host drops them.
CONNECT_SECONDS = 30
# Of struct linger: on, for no second.
NO_LINGER = struct.pack("ii", 1, 0)
Endpoint = tuple[str, int]

log = logging.getLogger(__name__)


class Forward(NamedTuple):
    """Where connections go, and whose."""

    target: Endpoint
    sources: frozenset[IPv4Network | IPv6Network]

    def admits(self, address: str) -> bool:
        """Whether a client with this address may connect."""
        client = ip_address(address)
        return any(client in source for source in self.sources)


class Forwarder:
    """The open forwards. Lives in one event loop."""

    def __init__(self, owner: Callable[[int, str], str]) -> None:
        """Start with nothing forwarded; OWNER says what holds a port of an address."""
        self._owner = owner
        self._forwards: dict[Endpoint, Forward] = {}
        self._servers: dict[Endpoint, asyncio.Server] = {}

    async def follow(self, wanted: Mapping[Endpoint, Forward]) -> list[str]:
        """Open, change and close forwards; returns the problems."""
        problems = []
        for endpoint in self._servers.keys() - wanted.keys():
            self._servers.pop(endpoint).close()
            log.info("stopped forwarding %s:%s", *endpoint)
        # Read for each connection: those that are open stay, as on AWS.
        self._forwards = dict(wanted)
        for endpoint in wanted.keys() - self._servers.keys():
            problem = await self._open(endpoint)
            if problem:
                problems.append(problem)
        return problems

    async def _open(self, endpoint: Endpoint) -> str:
        address, port = endpoint

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            forward = self._forwards.get(endpoint)
            client: Endpoint | None = writer.get_extra_info("peername")
            if forward is None or client is None or not forward.admits(client[0]):
                _reset(writer)
                return
            await carry(reader, writer, forward.target)

        try:
            self._servers[endpoint] = await asyncio.start_server(serve, address, port, limit=CHUNK)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return f"Cannot listen on {address}:{port}: {error.strerror}."
            return (
                f"Port {port} of this machine is taken by {self._owner(port, address)}. "
                f"The deployment's address {address} needs it. Stop that program; the "
                "sandbox continues by itself."
            )
        log.info("forwarding %s:%s to %s:%s", address, port, *self._forwards[endpoint].target)
        return ""


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Endpoint) -> None:
    """Connect a client with the instance, both ways, until both are done."""
    try:
        there = await asyncio.wait_for(asyncio.open_connection(*target), CONNECT_SECONDS)
    except (OSError, TimeoutError):
        _reset(writer)
        return
    await join((reader, writer), there)
    for side in (writer, there[1]):
        side.close()
        with contextlib.suppress(OSError):
            await side.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End it as a machine without a listener on that port does; `abort` alone may end it in order."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
