"""A script at the top of the page.

Gradio adds its `head` parameter only after its own parts have loaded, which is too late
for a script that must notice when they do not.
"""

from importlib.resources import files

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD = b"<head>"


class HeadScript:
    """ASGI middleware: puts assets/head.js on top of the page at `path`."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        """Wrap `app`."""
        self._app = app
        self._paths = frozenset({path, f"{path}/"})
        script = (files("rag_app.ui") / "assets" / "head.js").read_bytes()
        self._inserted = _HEAD + b"<script>" + script + b"</script>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Buffer the page, which is small, and send it with the script inserted."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        # The edge compresses responses; here the text is needed uncompressed.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def collecting(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = body.replace(_HEAD, self._inserted, 1)
            MutableHeaders(scope=start)["Content-Length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self._app({**scope, "headers": plain}, receive, collecting)
