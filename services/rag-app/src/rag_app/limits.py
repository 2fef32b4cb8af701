"""Request limits, checked before and while the body arrives.

No part of a body is read until the sender is authenticated: the API's own dependency runs after the framework
has parsed the body, so the check is here, in front of every route. A body that is too large, too slow or not
allowed gets an error response and a closed connection; the rest of it is not read.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app import errors
from rag_core.errors import RagError

_API = "/api"
_PUBLIC = frozenset({"/api/health", "/api/light", "/api/openapi.json"})
_FORM_OVERHEAD = 64 * 1024
_ORDINARY_BODY = 1024 * 1024
_LOGIN_BODY = 16 * 1024
# If the connection closes at once, a peer that is still sending may lose the response.
_LINGER_SECONDS = 0.1


@dataclass(frozen=True)
class BodyRate:
    """How slow a body may be: `grace` seconds, plus one second for each `least` bytes received.

    Only the time spent waiting for the sender counts. A body slower than `least` bytes per second uses up
    the grace period and is refused, so no sender can keep a request open forever.
    """

    grace: float = 30.0
    least: int = 8 * 1024

    def left(self, waited: float, received: int) -> float:
        """Seconds left for the next piece."""
        return self.grace + received / self.least - waited


class UploadSlots:
    """Counts the uploads in progress in this process; used from one event loop, so it needs no lock."""

    def __init__(self, most: int) -> None:
        """Allow at most `most` uploads at the same time."""
        self._most = most
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot for the `with` block; raises UploadsBusy when none is free."""
        if self._taken >= self._most:
            raise errors.UploadsBusy(self._taken)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class BodyLimit:
    """ASGI middleware: authenticates the sender, then limits the size and duration of the body."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        admit: Callable[[Request], object],
        upload_max_bytes: int,
        upload_paths: frozenset[str],
        pace: BodyRate,
    ) -> None:
        """Wrap `app`; `admit` raises a RagError for unauthorised senders; `upload_paths` accept files."""
        self._app = app
        self._admit = admit
        self._upload_max_bytes = upload_max_bytes
        self._upload_paths = upload_paths
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse at once what the request's headers already rule out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send, self._limit(scope["path"]), self._shown(scope["path"]), self._pace)
        try:
            if _is_guarded(scope["path"]):
                self._admit(Request(scope))
            body.check_declared()
        except RagError as error:
            await errors.answer(error)(scope, body.receive, body.send)
            return
        await self._app(scope, body.receive, body.send)

    def _limit(self, path: str) -> int:
        if path.rstrip("/") in self._upload_paths:
            return self._upload_max_bytes + _FORM_OVERHEAD
        return _LOGIN_BODY if path.rstrip("/") == "/login" else _ORDINARY_BODY

    def _shown(self, path: str) -> int:
        return self._upload_max_bytes if path.rstrip("/") in self._upload_paths else self._limit(path)


class _Body:
    """Limits one request's body, and closes the connection after the response if it was not read fully."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limit: int, shown: int, pace: BodyRate
    ) -> None:
        self._receive, self._send = receive, send
        self._limit, self._pace = limit, pace
        self._too_large = errors.TooLarge(shown)
        headers = Headers(scope=scope)
        self._declared = headers.get("content-length", "0")
        self._whole = self._declared == "0" and "transfer-encoding" not in headers
        self._received = 0
        self._waited = 0.0
        self._closes = False

    def check_declared(self) -> None:
        """Raise TooLarge for a body whose declared length is over the limit."""
        if not (self._declared.isascii() and self._declared.isdigit()) or int(self._declared) > self._limit:
            raise self._too_large

    async def receive(self) -> Message:
        """Return the next piece; raises HTTPException when it is late or over the limit."""
        if self._whole:
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._pace.left(self._waited, self._received)):
                message = await self._receive()
        except TimeoutError:
            # FastAPI turns any other exception of a body's reader into a plain 400.
            raise HTTPException(errors.TooSlow.http_status, errors.TooSlow().message) from None
        self._waited += time.monotonic() - began
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._received > self._limit:
            self._whole = False
            raise HTTPException(errors.TooLarge.http_status, self._too_large.message)
        return message

    async def send(self, message: Message) -> None:
        """Pass the response on; close the connection, or the server would read the rest of an unread body."""
        if message["type"] == "http.response.start" and not self._whole:
            self._closes = True
            MutableHeaders(scope=message)["Connection"] = "close"
        if message["type"] == "http.response.body" and self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await asyncio.sleep(_LINGER_SECONDS)
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


def _is_guarded(path: str) -> bool:
    return (path == _API or path.startswith(f"{_API}/")) and path not in _PUBLIC
