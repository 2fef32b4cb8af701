"""Access control: the guard in front of the pages, and the API's check."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app import errors
from rag_app.sessions import SESSION_COOKIE, Sessions

# Gradio needs inline scripts and eval. What matters here is that a page can load from and
# connect to this site only, whatever a document or a model made it show.
_PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_user(request: Request) -> str:
    """FastAPI dependency: the user of the token or session; raises NotLoggedIn or CrossSite."""
    sessions: Sessions = request.app.state.sessions
    header = request.headers.get("authorization")
    if header:
        scheme, token = get_authorization_scheme_param(header)
        if scheme.lower() == "bearer" and sessions.check_token(token):
            return "api"
        raise errors.NotLoggedIn
    user = sessions.user_of(request.cookies.get(SESSION_COOKIE))
    if user is None:
        raise errors.NotLoggedIn
    if request.method not in _SAFE_METHODS and not from_own_page(request):
        raise errors.CrossSite
    return user


def from_own_page(request: Request) -> bool:
    """Whether the request comes from our own page; SameSite=Lax is the first defence."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


class PagesGuard:
    """ASGI middleware: nothing below `prefix` is served without a session."""

    def __init__(self, app: ASGIApp, prefix: str, sessions: Sessions) -> None:
        """Wrap `app`."""
        self._app = app
        self._prefix = prefix
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit sessions, redirect browsers to the login page, answer programs with 401."""
        if scope["type"] not in {"http", "websocket"} or not self._guards(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            # Gradio uses HTTP only; nothing needs a WebSocket.
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        session = self._sessions.session_of(request.cookies.get(SESSION_COOKIE))
        if session is None:
            await _to_login(request)(scope, receive, send)
        elif request.method not in _SAFE_METHODS and not from_own_page(request):
            await errors.answer(errors.CrossSite())(scope, receive, send)
        else:
            scope.setdefault("state", {}).update(user=session["user"], session=session["id"])
            await self._app(scope, receive, _with_policy(send))

    def _guards(self, path: str) -> bool:
        return path == self._prefix or path.startswith(f"{self._prefix}/")


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # A page of our own, such as the one for an unknown path, has a stricter policy.
            headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)

    return sending


def _to_login(request: Request) -> RedirectResponse | JSONResponse:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        path = f"/login?next={quote(request.url.path, safe='/')}"
        return RedirectResponse(path, HTTPStatus.SEE_OTHER)
    response = errors.answer(errors.NotLoggedIn())
    # This header shows our own page (not other clients) that its session has ended.
    response.headers["X-Ragdock-Login"] = "/login"
    return response
