"""Wiring: one FastAPI app with the API, the login and the pages."""

import os
import tempfile
from functools import partial

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from rag_app import errors, login
from rag_app.access import PagesGuard, require_user
from rag_app.api import conversations, documents, figures, questions, status
from rag_app.backend import Backend
from rag_app.events import Events
from rag_app.limits import BodyLimit, BodyRate, UploadSlots
from rag_app.sessions import LoginRateLimiter, Sessions
from rag_app.settings import AppSettings
from rag_app.surface import Surface
from rag_app.ui import page
from rag_app.ui.head_script import HeadScript
from web_core.edge import TrustEdge
from web_core.logs import AccessLog

_ABOUT = """Answers from your own documents, citing document and page.

Send the API token as `Authorization: Bearer <token>`; a browser that is logged in needs none.
Errors come as `{"error": {"code": ..., "message": ...}}`; the codes are stable.
"""


def create_app(settings: AppSettings, pace: BodyRate | None = None) -> FastAPI:
    """Build the app. Creates the folder for incoming uploads, but connects to no store yet.

    The slowest allowed upload rate is not a setting: the defaults of BodyRate accept the slowest real lines.
    """
    _receive_uploads_on_disk(settings)
    app = FastAPI(
        title="Ragdock",
        version="1",
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        # FastAPI's documentation pages load scripts from other sites.
        docs_url=None,
        redoc_url=None,
    )
    backend = Backend.of(settings)
    sessions = Sessions(settings)
    app.state.backend = backend
    app.state.sessions = sessions
    app.state.login_rate_limiter = LoginRateLimiter()
    app.state.upload_slots = UploadSlots(settings.upload_slots)
    backend.uploads.sweep()
    errors.install(app)
    for part in (status, documents, questions, conversations, figures, login):
        app.include_router(part.router)

    @app.get("/", include_in_schema=False)
    async def start() -> RedirectResponse:
        # Behind the edge, the landing page serves this path.
        return RedirectResponse(login.HOME)

    blocks = page.mount(app, backend)
    # The middleware added last runs first.
    app.add_middleware(HeadScript, path=page.PATH)
    app.add_middleware(
        Surface, prefix=page.PATH, events=Events.of(blocks), has_events=partial(page.has_events, blocks)
    )
    app.add_middleware(PagesGuard, prefix=page.PATH, sessions=sessions)
    app.add_middleware(
        BodyLimit,
        admit=require_user,
        upload_max_bytes=settings.upload_max_bytes,
        upload_paths=frozenset({"/api/documents"}),
        pace=pace or BodyRate(),
    )
    app.add_middleware(
        AccessLog, quiet=["/api/health", "/api/light", f"{page.PATH}/"], opaque=[f"{page.PATH}/"]
    )
    app.add_middleware(TrustEdge, edge_host=settings.edge_host)
    return app


def _receive_uploads_on_disk(settings: AppSettings) -> None:
    """Keep partly received files on the documents' disk: in a container, /tmp is memory."""
    settings.incoming_dir.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(settings.incoming_dir)
    os.environ["GRADIO_TEMP_DIR"] = str(settings.incoming_dir / "gradio")
