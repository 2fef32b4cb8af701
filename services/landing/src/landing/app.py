"""The landing service: one page, one analytics event, one health check."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from landing.analytics import AnalyticsLog
from landing.rendering import render
from landing.settings import LandingSettings
from web_core.edge import TrustEdge
from web_core.logs import AccessLog

_log = structlog.stdlib.get_logger("landing")

_NOT_FOUND = (
    b"<!doctype html><meta charset=utf-8><title>Not found - Ragdock</title>"
    b"<p>There is no such page here. <a href='/'>Ragdock's front page</a>"
)


def create_app(settings: LandingSettings) -> FastAPI:
    """Wire the service from its settings."""
    app = FastAPI(title="Ragdock landing", openapi_url=None, docs_url=None, redoc_url=None)
    page = render(settings)
    analytics = AnalyticsLog(
        path=settings.analytics_csv_path,
        max_bytes=settings.analytics_max_bytes,
        keep_files=settings.analytics_keep_files,
        whole_address=settings.analytics_whole_address,
    )

    @app.api_route("/", methods=["GET", "HEAD"])
    async def front_page(request: Request) -> Response:
        if request.headers.get("if-none-match") == page.headers["ETag"]:
            return Response(status_code=304, headers=page.headers)
        return Response(page.body, media_type="text/html", headers=page.headers)

    @app.post("/events/launch")
    async def launch(request: Request) -> Response:
        if settings.count_launches:
            client = request.client.host if request.client else ""
            try:
                await run_in_threadpool(analytics.record, client)
            except OSError as error:
                # A full disk may cost a line of statistics, but must not keep the visitor out.
                _log.error("analytics_not_written", error=str(error), path=str(analytics.path))
        return RedirectResponse(settings.app_url, status_code=303)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/robots.txt")
    async def robots() -> Response:
        return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")

    @app.get("/favicon.ico")
    async def favicon() -> Response:
        return Response(status_code=204)

    @app.exception_handler(404)
    async def not_found(_request: Request, _error: Exception) -> Response:
        return Response(_NOT_FOUND, status_code=404, media_type="text/html")

    @app.middleware("http")
    async def answer_errors(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        try:
            return await call_next(request)
        except Exception:  # noqa: BLE001 - the outermost layer: log it, show nothing of it
            _log.exception("unexpected_error", path=request.url.path)
            return Response("Something went wrong on our side.", status_code=500)

    app.add_middleware(AccessLog, quiet=["/health"])
    app.add_middleware(TrustEdge, edge_host=settings.edge_host)
    return app
