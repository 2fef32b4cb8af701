"""The login page and logout."""

from html import escape
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from rag_app.access import from_own_page
from rag_app.sessions import FORM_COOKIE, SESSION_COOKIE, LoginRateLimiter, Sessions, same
from rag_app.shell import html_page

HOME = "/app/"
_log = structlog.stdlib.get_logger("rag_app.login")

router = APIRouter(include_in_schema=False)


def own_path(path: str) -> str:
    """`path` when it leads to a page of the app, else the app's start."""
    parts = urlsplit(path)
    inside = parts.path == HOME.rstrip("/") or parts.path.startswith(HOME)
    safe = not parts.scheme and not parts.netloc and "\\" not in path and path.isprintable()
    return parts.path if inside and safe else HOME


@router.get("/login")
async def login_page(request: Request, next: str = HOME) -> Response:
    """Show the form, or the app to someone who is logged in."""
    sessions: Sessions = request.app.state.sessions
    if sessions.user_of(request.cookies.get(SESSION_COOKIE)):
        return RedirectResponse(own_path(next), HTTPStatus.SEE_OTHER)
    return _form(request, next=own_path(next))


@router.post("/login")
async def log_in(
    request: Request,
    user: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = HOME,
) -> Response:
    """Check the password and open a session if it is correct."""
    sessions: Sessions = request.app.state.sessions
    limiter: LoginRateLimiter = request.app.state.login_rate_limiter
    client = request.client.host if request.client else "unknown"
    nonce = request.cookies.get(FORM_COOKIE, "")
    if not nonce or not same(token, sessions.form_token(nonce)) or not from_own_page(request):
        return _form(
            request,
            next=own_path(next),
            user=user,
            problem="The form has expired. Please try again.",
            status=HTTPStatus.FORBIDDEN,
        )
    if wait := limiter.wait(client):
        return _form(
            request,
            next=own_path(next),
            user=user,
            problem=f"Too many failed attempts. Please wait {_minutes(wait)}.",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            headers={"Retry-After": str(wait)},
        )
    if not sessions.check_password(user, password):
        limiter.failed(client)
        _log.warning("login_failed", client=client)
        return _form(
            request,
            next=own_path(next),
            user=user,
            problem="User or password is wrong.",
            status=HTTPStatus.UNAUTHORIZED,
        )
    limiter.succeeded(client)
    _log.info("login", client=client)
    response = RedirectResponse(own_path(next), HTTPStatus.SEE_OTHER)
    response.set_cookie(
        SESSION_COOKIE,
        sessions.issue(),
        max_age=sessions.seconds,
        secure=True,
        httponly=True,
        samesite="lax",
    )
    response.delete_cookie(FORM_COOKIE, path="/login", secure=True, httponly=True, samesite="strict")
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session, in the browser and on the server; only our own page may request it."""
    if not from_own_page(request):
        return _ask("Another site asked to log you out. You are still logged in.", HTTPStatus.FORBIDDEN)
    sessions: Sessions = request.app.state.sessions
    # In a thread: it blocks while another process writes to the database.
    await run_in_threadpool(sessions.end, request.cookies.get(SESSION_COOKIE))
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")
    return response


@router.get("/logout")
async def ask_before_logging_out() -> Response:
    """Ask first: another site could make the browser follow a link, so a GET must not log out."""
    return _ask()


def _ask(problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> HTMLResponse:
    return html_page(
        f"<h1>Log out?</h1>{_problem(problem)}"
        '<form method="post" action="/logout"><button type="submit">Log out</button></form>'
        '<p class="note"><a href="/app/">Back to the app</a></p>',
        status,
        title="Log out",
    )


def _problem(words: str) -> str:
    return f'<p class="problem" role="alert">{escape(words)}</p>' if words else ""


def _minutes(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _form(
    request: Request,
    *,
    next: str,
    user: str = "",
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> HTMLResponse:
    sessions: Sessions = request.app.state.sessions
    # One nonce for all tabs of a browser, so that opening a second one does not break the first.
    nonce = request.cookies.get(FORM_COOKIE) or sessions.form_nonce()
    focus = ("", " autofocus") if user else (" autofocus", "")
    response = html_page(
        f"""<h1>Sign in</h1>
{_problem(problem)}
<form method="post" action="/login">
<input type="hidden" name="token" value="{sessions.form_token(nonce)}">
<input type="hidden" name="next" value="{escape(next, quote=True)}">
<label for="user">User</label>
<input id="user" name="user" autocomplete="username" autocapitalize="none" required
 value="{escape(user, quote=True)}"{focus[0]}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{focus[1]}>
<button type="submit">Sign in</button>
</form>
<p class="note">Ask your administrator for user and password.</p>""",
        status,
        headers,
    )
    response.set_cookie(
        FORM_COOKIE, nonce, max_age=3600, path="/login", secure=True, httponly=True, samesite="strict"
    )
    return response
