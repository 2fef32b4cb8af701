"""The access log: one line for each request.

It contains neither query strings nor bodies, because questions and file names are
private. Paths below the prefixes given by the service are cut there, because Gradio
puts file names into them.
"""

import time
from collections.abc import Sequence

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AccessLog:
    """ASGI middleware: one line for each answered request, with its duration."""

    def __init__(self, app: ASGIApp, quiet: Sequence[str] = (), opaque: Sequence[str] = ()) -> None:
        """Wrap `app`; `quiet` prefixes are logged only on failure, `opaque` ones are cut."""
        self._app = app
        self._quiet = tuple(quiet)
        self._opaque = tuple(opaque)
        self._log = structlog.stdlib.get_logger("access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request and write its line, whether it succeeds or fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, size = 500, 0

        async def counting_send(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            path = scope["path"]
            if status >= 400 or not path.startswith(self._quiet):
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=self._shown(path),
                    status=status,
                    bytes=size,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    client=scope["client"][0] if scope.get("client") else None,
                )

    def _shown(self, path: str) -> str:
        for prefix in self._opaque:
            if path.startswith(prefix) and path != prefix:
                return f"{prefix}…"
        return path
