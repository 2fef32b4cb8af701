"""The whole page, mounted into the app."""

import os
from importlib.resources import files

# Gradio reads these on import; nothing here may send telemetry.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr
from fastapi import FastAPI, Request

from rag_app.backend import Backend
from rag_app.ui.ask import ask_tab
from rag_app.ui.choices import Controls, settings_tab
from rag_app.ui.header import header
from rag_app.ui.insights import insights_tab
from rag_app.ui.library import library_tab
from rag_app.ui.status import status_tab

PATH = "/app"
_KEPT_SECONDS = 3600
_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Gradio's default theme in Ragdock's colour, with system fonts, so that none is downloaded."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=_FONT,
        font_mono=_MONO,
    ).set(
        # Gradio's own grey for subdued text is too pale to read (WCAG AA).
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
    )


def build_page(backend: Backend) -> gr.Blocks:
    """Build the header and the tabs."""
    with gr.Blocks(
        title="Ragdock",
        analytics_enabled=False,
        fill_width=False,
        delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS),
    ) as page:
        header(backend, page)
        controls = Controls.of(backend)
        with gr.Tabs(elem_id="rd-tabs"):
            with gr.Tab("Ask", id="ask"):
                ask_tab(backend, controls, page)
            with gr.Tab("Library", id="library"):
                library_tab(backend)
            with gr.Tab("Insights", id="insights") as insights:
                insights_tab(backend, insights)
            with gr.Tab("Settings", id="settings"):
                settings_tab(controls, page)
            with gr.Tab("Status", id="status") as status:
                status_tab(backend, status, page)
    built: gr.Blocks = page
    return built


def mount(app: FastAPI, backend: Backend) -> gr.Blocks:
    """Serve the page below /app; the access and surface middleware check each request first."""
    assets = files("rag_app.ui") / "assets"
    page: gr.Blocks = build_page(backend).queue(default_concurrency_limit=8, max_size=200)
    gr.mount_gradio_app(
        app,
        page,
        path=PATH,
        auth_dependency=_user,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        max_file_size=backend.settings.upload_max_bytes,
        theme=theme(),
        css=(assets / "app.css").read_text(encoding="utf-8"),
        head=f"<script>{(assets / 'app.js').read_text(encoding='utf-8')}</script>",
    )
    # Gradio checks which files may be read only after a page was "launched", which a mounted page never is.
    page.has_launched = True
    return page


def has_events(page: gr.Blocks, session: str) -> bool:
    """Whether a session of the page has ever joined the queue."""
    return session in page._queue.pending_messages_per_session


def _user(request: Request) -> str | None:
    user: str | None = request.scope.get("state", {}).get("user")
    return user
