"""Cancels a thread's request to Ollama from another thread.

A model that reads a long prompt sends nothing for many seconds, and the thread that waits for its first
word is blocked. Shutting down the socket wakes that thread at once, and makes Ollama stop reading.
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
    """The answer was cancelled; no other model is asked."""

    code = "stopped"
    http_status = 503

    def __init__(self) -> None:
        super().__init__("The answer was stopped before it was written.")


class Stop:
    """A cancellation flag for one answer; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._wished = False

    def now(self) -> None:
        """End the current request and prevent further ones."""
        with self._lock:
            self._wished = True
            self._shut()

    def check(self) -> None:
        """Raise Stopped if the answer was cancelled."""
        if self._wished:
            raise Stopped

    def watch(self, event: str, data: dict[str, Any]) -> None:
        """Handle an httpx trace event: remember the socket that the request uses."""
        if event in _OPENED:
            with self._lock:
                self._socket = data["return_value"].get_extra_info("socket")
                if self._wished:
                    self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # already closed
                self._socket.shutdown(socket.SHUT_RDWR)


STOP: ContextVar[Stop | None] = ContextVar("ragdock_stop", default=None)
"""The stop that belongs to the answer that is made in this context, when somebody can wish for one."""


def check() -> None:
    """Raise Stopped if this context's answer was cancelled."""
    stop = STOP.get()
    if stop is not None:
        stop.check()


def stoppable(request: httpx.Request) -> None:
    """Make a request cancellable (httpx request hook); the client must not keep connections alive."""
    stop = STOP.get()
    if stop is not None:
        request.extensions["trace"] = stop.watch
