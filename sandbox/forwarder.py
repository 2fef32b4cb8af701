"""Elastic IPs: TCP carried from an address of this machine to an instance."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Iterator, Mapping

import psutil

from sandbox.cloud import Cloud

PORTS = (80, 443)
CHUNK = 64 * 1024
# As long as a first packet may be lost: while an edge is replaced its host drops them.
CONNECT_SECONDS = 30
Endpoint = tuple[str, int]

log = logging.getLogger(__name__)


def forwards(cloud: Cloud) -> dict[Endpoint, Endpoint]:
    """Address and port of this machine -> address and port of an instance.

    A port that no security group of the instance opens to the world stays closed.
    """
    running = {i.id: i for i in cloud.instances if i.state == "running" and i.live}
    found: dict[Endpoint, Endpoint] = {}
    for address in cloud.addresses:
        instance = running.get(address.instance_id)
        if instance is None:
            continue
        for port in PORTS:
            groups = (cloud.groups[group] for group in instance.groups if group in cloud.groups)
            if any(group.admits(port) for group in groups):
                found[(address.public_ip, port)] = (instance.private_ip, port)
    return found


EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104


def listeners(port: int) -> Iterator[tuple[str, int | None]]:
    """Address and process of each program that listens on a port of this machine."""
    for connection in psutil.net_connections("tcp"):
        # A listener always has a local end; the types leave that open.
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            yield connection.laddr.ip, connection.pid


def owner(port: int, address: str = "") -> str:
    """The program that listens on a port of this machine, for a message."""
    for held, pid in listeners(port):
        if address and held not in (address, *EVERYWHERE):
            continue
        if pid is None:
            return "a process that this user may not see"
        try:
            process = psutil.Process(pid)
            return f"{process.name()} (pid {pid})"
        except psutil.NoSuchProcess:
            continue
    return "a process that has ended meanwhile"


def listens_everywhere(port: int) -> bool:
    """Whether a program uses that port on every address of this machine."""
    return any(address in EVERYWHERE for address, _ in listeners(port))


class Forwarder:
    """The open forwards. Lives in one event loop."""

    def __init__(self) -> None:
        """Start with nothing forwarded."""
        self._servers: dict[Endpoint, tuple[Endpoint, asyncio.Server]] = {}

    async def follow(self, wanted: Mapping[Endpoint, Endpoint]) -> list[str]:
        """Open and close forwards; returns the problems."""
        problems = []
        for endpoint in [
            endpoint for endpoint, (target, _) in self._servers.items() if wanted.get(endpoint) != target
        ]:
            _, server = self._servers.pop(endpoint)
            server.close()
            log.info("stopped forwarding %s:%s", *endpoint)
        for endpoint, target in wanted.items():
            if endpoint not in self._servers:
                problem = await self._open(endpoint, target)
                if problem:
                    problems.append(problem)
        return problems

    async def _open(self, endpoint: Endpoint, target: Endpoint) -> str:
        address, port = endpoint

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _carry(reader, writer, target)

        try:
            server = await asyncio.start_server(serve, address, port, limit=CHUNK)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return f"Cannot listen on {address}:{port}: {error.strerror}."
            return (
                f"Port {port} of this machine is taken by {owner(port, address)}. "
                f"The deployment's address {address} needs it. Stop that program; the "
                "sandbox continues by itself."
            )
        self._servers[endpoint] = (target, server)
        log.info("forwarding %s:%s to %s:%s", address, port, *target)
        return ""


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Endpoint) -> None:
    """Connect a client with the instance, both ways, until both are done."""
    try:
        there = await asyncio.wait_for(asyncio.open_connection(*target), CONNECT_SECONDS)
    except (OSError, TimeoutError):
        # A reset, as from a machine without a listener on that port.
        writer.transport.abort()
        return
    await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
    for side in (writer, there[1]):
        side.close()
        with contextlib.suppress(OSError):
            await side.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()
