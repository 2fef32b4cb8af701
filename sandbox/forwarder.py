"""Elastic IPs: which address and port of this machine leads to which instance, and who holds a port."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from sandbox.carry import Endpoint, Forward
from sandbox.cloud import Cloud, Network

PORTS = (80, 443)
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104


def forwards(cloud: Cloud) -> dict[Endpoint, Forward]:
    """Address and port of this machine -> address and port of an instance, and whom it admits.

    A port that no security group of the instance opens to anybody stays closed.
    """
    running = {i.id: i for i in cloud.instances if i.state == "running" and i.live}
    found: dict[Endpoint, Forward] = {}
    for address in cloud.addresses:
        instance = running.get(address.instance_id)
        if instance is None:
            continue
        groups = [cloud.groups[group] for group in instance.groups if group in cloud.groups]
        for port in PORTS:
            sources = frozenset[Network]().union(*(group.sources(port) for group in groups))
            if sources:
                found[(address.public_ip, port)] = Forward((instance.private_ip, port), sources)
    return found


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
