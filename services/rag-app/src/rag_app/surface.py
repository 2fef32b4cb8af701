"""The part of Gradio that the page needs; everything else below /app does not exist.

Gradio's own routes accept uploads, serve files and fetch URLs, and a new version may add more of them.
So this is an allow-list of the routes that the page needs; compose/edge/Caddyfile.j2 has the same list. What
a browser sends is checked (rag_app.events) and bound to its login before Gradio reads it.
"""

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app import errors
from rag_app.events import MOST_BYTES, Bind, EventRefused, Events, session_of
from rag_app.shell import html_page

_API = "/gradio_api"
READ = frozenset({"", "/", "/config", "/theme.css", f"{_API}/app_id"})
"""Paths read with GET; the page itself also with HEAD."""
FILES = re.compile(r"/(?:assets|static)(?:/[\w-][\w.-]*)+", re.ASCII)
"""Gradio's scripts, styles and fonts: paths without `..` and without hidden files."""
DATA = f"{_API}/queue/data"
HEARTBEAT = f"{_API}/heartbeat/"
JOIN = f"{_API}/queue/join"
RUN = f"{_API}/run/predict"
CANCEL = f"{_API}/cancel"
RESET = f"{_API}/reset"
# Gradio's own message; the page then starts a new session.
_NO_SESSION = (
    'data: {"msg":"unexpected_error","event_id":null,"message":"404: Not Found",'
    '"session_not_found":true,"success":false}\n\n'
)


class Surface:
    """ASGI middleware: passes only what the page needs on to Gradio; PagesGuard runs before it."""

    def __init__(self, app: ASGIApp, prefix: str, events: Events, has_events: Callable[[str], bool]) -> None:
        """Wrap `app`; below `prefix` only the routes above exist.

        `has_events` says whether Gradio knows a session; for an unknown one it would log a traceback.
        """
        self._has_events = has_events
        self._app = app
        self._prefix = prefix
        self._checks: dict[str, Callable[[bytes, Bind], bytes]] = {
            JOIN: lambda body, bind: events.event(body, bind, queued=True),
            RUN: lambda body, bind: events.event(body, bind, queued=False),
            CANCEL: events.cancel,
            RESET: events.reset,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404 for routes that the page does not need and 400 for bodies that it does not send."""
        if scope["type"] != "http" or not self._guards(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            path = scope["path"].removeprefix(self._prefix)
            response = await self._answer(scope, path, receive, send)
        except EventRefused as error:
            response = errors.answer(error)
        except ClientDisconnect:
            return
        if response is not None:
            await response(scope, receive, send)

    def _guards(self, path: str) -> bool:
        return path == self._prefix or path.startswith(f"{self._prefix}/")

    async def _answer(self, scope: Scope, path: str, receive: Receive, send: Send) -> Response | None:
        """Return our own response, or None when Gradio has answered."""
        bind = _bound_to(scope["state"]["session"])
        match scope["method"]:
            case "HEAD" if path in ("", "/"):
                await self._app(_passed_on(scope), receive, send)
            case "GET" if path in READ or FILES.fullmatch(path):
                await self._app(_passed_on(scope), receive, send)
            case "GET" if path == DATA:
                named = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])
                own = bind(session_of(named[0]))
                if not self._has_events(own):
                    return Response(_NO_SESSION, media_type="text/event-stream")
                await self._app(_passed_on(scope, query=urlencode({"session_hash": own})), receive, send)
            case "GET" if path.startswith(HEARTBEAT):
                own = bind(session_of(path.removeprefix(HEARTBEAT)))
                await self._app(_passed_on(scope, path=self._prefix + HEARTBEAT + own), receive, send)
            case "POST" if path in self._checks:
                body = self._checks[path](await _whole(Request(scope, receive)), bind)
                await self._app(_passed_on(scope, body=body), _replay(body, receive), send)
            case _:
                return not_found(Headers(scope=scope).get("accept", ""))
        return None


def not_found(accept: str) -> Response:
    """Return a page for browsers and a JSON error for programs."""
    if "text/html" in accept:
        return html_page(
            "<h1>No such page</h1><p>There is nothing at this address.</p>"
            '<p class="note"><a href="/app/">Back to the app</a></p>',
            HTTPStatus.NOT_FOUND,
            title="No such page",
        )
    return JSONResponse(errors.body("not_found", "There is nothing at this address."), HTTPStatus.NOT_FOUND)


def _bound_to(login: str) -> Bind:
    """Map the session name that a page chose to one that belongs to its login.

    Gradio lets each page choose its session's name. Bound to the login, the events and the state of one login
    cannot be read, joined or cancelled from another.
    """
    return lambda chosen: hashlib.sha256(f"{login}:{chosen}".encode()).hexdigest()[:32]


def _passed_on(scope: Scope, *, path: str | None = None, query: str = "", body: bytes | None = None) -> Scope:
    """The request for Gradio, without Origin: Gradio would allow any site to read the response."""
    dropped = {b"origin"}
    added: list[tuple[bytes, bytes]] = []
    if body is not None:
        dropped |= {b"content-length", b"content-type", b"transfer-encoding"}
        added = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    changed: dict[str, object] = {
        **scope,
        "headers": [*((name, value) for name, value in scope["headers"] if name not in dropped), *added],
        "query_string": query.encode(),
    }
    if path is not None:
        changed |= {"path": path, "raw_path": path.encode()}
    return changed


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            # Events refuses it because of its size; the rest is not read.
            break
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replaying() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replaying
