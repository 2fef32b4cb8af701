"""Relay connections from this machine to an address that only a container's network can reach."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from sandbox.forwarder import Endpoint, carry

CLONE_NEWNET = 0x40000000
Stop = tuple[asyncio.AbstractEventLoop, asyncio.Event]


@contextmanager
def relayed(pid: int, target: Endpoint) -> Iterator[str]:
    """Yield a loopback address that forwards to the target inside the network namespace of process PID."""
    # Created before the thread changes namespace: a socket stays in the namespace it was created in.
    listening = socket.create_server(("127.0.0.1", 0))
    started: Future[Stop] = Future()
    thread = threading.Thread(target=_serve, args=(pid, target, listening, started))
    thread.start()
    try:
        loop, over = started.result()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(over.set)
    finally:
        thread.join()
        listening.close()


def _serve(pid: int, target: Endpoint, listening: socket.socket, started: Future[Stop]) -> None:
    try:
        _enter(pid)
        asyncio.run(_forward(target, listening, started))
    except OSError as error:
        started.set_exception(error)


def _enter(pid: int) -> None:
    """Move this thread alone into the network namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open() as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the network of process {pid}: {os.strerror(number)}")


async def _forward(target: Endpoint, listening: socket.socket, started: Future[Stop]) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await carry(reader, writer, target)

    async with await asyncio.start_server(serve, sock=listening):
        started.set_result((asyncio.get_running_loop(), over))
        await over.wait()
