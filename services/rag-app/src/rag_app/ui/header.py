"""The top of every page: name, health badge and logout."""

import gradio as gr

from rag_app.backend import Backend
from rag_app.monitor import Reading
from rag_app.ui.event_data import AT_ONCE
from rag_app.ui.formatting import text

_REFRESH_SECONDS = 10.0
_BRAND = (
    '<div class="rd-brand"><svg viewBox="0 0 32 32" aria-hidden="true">'
    '<rect width="32" height="32" rx="7" fill="currentColor"/><path d="M9 8h9l5 5v11H9z" fill="#fff"/>'
    '<path d="M12.5 16h7M12.5 20h5" stroke="#0f766e" stroke-width="2"/></svg><span>Ragdock</span></div>'
)
_LOGOUT = (
    '<form method="post" action="/logout"><button type="submit" class="rd-logout">Log out</button></form>'
)


def header(backend: Backend, page: gr.Blocks) -> None:
    """Build the row and keep its badge fresh."""
    with gr.Row(elem_id="rd-header", equal_height=True):
        gr.HTML(_BRAND, js_on_load=None, apply_default_css=False)
        badge = gr.HTML(
            '<span class="rd-badge">Checking…</span>',
            elem_id="rd-health",
            js_on_load=None,
            apply_default_css=False,
        )
        gr.HTML(_LOGOUT, elem_id="rd-out", js_on_load=None, apply_default_css=False)
    notice = gr.HTML("", elem_id="rd-outage", js_on_load=None, apply_default_css=False)

    async def refresh() -> tuple[str, str]:
        reading = await backend.monitor.reading()
        return badge_html(reading), notice_html(reading)

    page.load(refresh, None, [badge, notice], **AT_ONCE)
    gr.Timer(_REFRESH_SECONDS).tick(refresh, None, [badge, notice], **AT_ONCE, trigger_mode="multiple")


def notice_html(reading: Reading) -> str:
    """One notice for as long as an outage lasts.

    It is part of the page, because Gradio delivers its own notices only for events in its queue.
    """
    return f'<p class="rd-notice" role="alert">{text(reading.words)}</p>' if reading.light == "red" else ""


def badge_html(reading: Reading) -> str:
    """The badge, with its reason as a tooltip and for screen readers."""
    words = text(reading.words)
    return (
        f'<span class="rd-badge rd-{reading.light}" role="status" title="{words}"><i></i>'
        f"{reading.short}"
        f'<span class="rd-hidden">. {words}</span></span>'
    )
