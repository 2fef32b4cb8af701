"""Programs that listen on ports of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

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
