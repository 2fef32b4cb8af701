"""Programs that listen on ports of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104


def listeners(port: int) -> Iterator[tuple[str, int | None]]:
    """Yield the address and process id of each program that listens on a port of this machine."""
    for connection in psutil.net_connections("tcp"):
        # A listener always has a local address, but the type hints allow none.
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            yield connection.laddr.ip, connection.pid


def owner(port: int, address: str = "") -> str:
    """Return a description, for messages, of the program that listens on a port of this machine."""
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
    """Return whether a program listens on that port on every address of this machine."""
    return any(address in EVERYWHERE for address, _ in listeners(port))
