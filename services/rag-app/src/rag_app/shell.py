"""The frame of the pages outside Gradio: login, logout and "not found"."""

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from importlib.resources import files

from fastapi.responses import HTMLResponse

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_TITLE = "<title>Sign in - Ragdock</title>"


def html_page(
    content: str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    *,
    title: str = "Sign in",
) -> HTMLResponse:
    """Render a small separate page; `content` is HTML."""
    shell = (files("rag_app") / "login.html").read_text(encoding="utf-8")
    named = shell.replace(_TITLE, f"<title>{escape(title)} - Ragdock</title>")
    return HTMLResponse(
        named.replace("<!--content-->", content), status, headers={**_HEADERS, **(headers or {})}
    )
