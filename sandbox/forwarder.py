"""Forwards TCP from addresses of this machine to an instance, for clients that its security groups admit.

Uses only the standard library, because the certificate authority's container runs it too.
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

# Long enough to retransmit lost SYN packets: while an edge is replaced its host drops them.
CONNECT_SECONDS = 30
# struct linger: on, for 0 seconds.
NO_LINGER = struct.pack("ii", 1, 0)
Endpoint = tuple[str, int]

log = logging.getLogger(__name__)


class Forward(NamedTuple):
    """The target of a forward, and the clients that may use it."""

    target: Endpoint
    sources: frozenset[IPv4Network | IPv6Network]

    def admits(self, address: str) -> bool:
        """Whether a client with this address may connect."""
        client = ip_address(address)
        return any(client in source for source in self.sources)


class Forwarder:
    """The open forwards; belongs to one event loop."""

    def __init__(self, owner: Callable[[int, str], str]) -> None:
        """Start without forwards; OWNER returns the program that uses a port of an address."""
        self._owner = owner
        self._forwards: dict[Endpoint, Forward] = {}
        self._servers: dict[Endpoint, asyncio.Server] = {}

    async def follow(self, wanted: Mapping[Endpoint, Forward]) -> list[str]:
        """Open, change and close forwards; return the problems."""
        problems = []
        for endpoint in self._servers.keys() - wanted.keys():
            self._servers.pop(endpoint).close()
            log.info("stopped forwarding %s:%s", *endpoint)
        # Rules are read for each new connection; open connections stay, as on AWS.
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
    """Relay between a client and the instance until both sides have finished."""
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
    """Reset the connection as a closed port does; `abort` alone might close it gracefully."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
