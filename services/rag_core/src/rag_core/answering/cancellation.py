"""Ends what a thread waits for at Ollama, from another thread.

A model that reads a long prompt says nothing for many seconds, and a thread that waits for its first
word hears nothing else. Shutting its socket down wakes it at once, and tells Ollama to stop reading.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import httpx

from rag_core.errors import RagError

_OPENED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


class Stopped(RagError):  # noqa: N818 - named for what happened
    """Nobody waits for the answer any more; no other model is asked."""

    code = "stopped"
    http_status = 503

    def __init__(self) -> None:
        super().__init__("The answer was stopped before it was written.")


class Stop:
    """One person's wish to end one answer; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._wished = False

    def now(self) -> None:
        """End the request in hand, and let none begin."""
        with self._lock:
            self._wished = True
            self._shut()

    def check(self) -> None:
        """Raise when the end was wished for."""
        if self._wished:
            raise Stopped

    def watch(self, event: str, data: dict[str, Any]) -> None:
        """An httpx trace: learn on which socket the request goes."""
        if event in _OPENED:
            with self._lock:
                self._socket = data["return_value"].get_extra_info("socket")
                if self._wished:
                    self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)


STOP: ContextVar[Stop | None] = ContextVar("ragdock_stop", default=None)
"""The stop that belongs to the answer that is made in this context, when somebody can wish for one."""


def check() -> None:
    """Raise when the end of this context's answer was wished for."""
    stop = STOP.get()
    if stop is not None:
        stop.check()


def stoppable(request: httpx.Request) -> None:
    """An httpx request hook; the client must open a connection for each request (no keep-alive)."""
    stop = STOP.get()
    if stop is not None:
        request.extensions["trace"] = stop.watch
