"""The Status tab: the state of the app's dependencies, in words."""

import gradio as gr
from starlette.concurrency import run_in_threadpool

from rag_app.api.documents import SHOWN_STATES
from rag_app.backend import Backend
from rag_app.monitor import Light, Reading
from rag_app.release import serving_release
from rag_app.ui.event_data import AT_ONCE
from rag_app.ui.formatting import named, text
from rag_core.models import ComponentHealth

_REFRESH_SECONDS = 10.0


def status_tab(backend: Backend, tab: gr.Tab, page: gr.Blocks) -> None:
    """Build the tab; it is filled when opened and kept fresh."""
    board = gr.HTML("", elem_id="rd-status", js_on_load=None, apply_default_css=False)

    async def refresh() -> str:
        reading = await backend.monitor.reading()
        return await run_in_threadpool(status_html, backend, reading)

    page.load(refresh, None, board, **AT_ONCE)
    tab.select(refresh, None, board, **AT_ONCE)
    gr.Timer(_REFRESH_SECONDS).tick(refresh, None, board, **AT_ONCE, trigger_mode="multiple")


def status_html(backend: Backend, reading: Reading) -> str:
    """The status board as a list of facts."""
    report = reading.report
    counts, way = backend.ledger.counts(), report.remote
    models = "".join(_model(backend, name, there) for name, there in report.models.items())
    documents = ", ".join(f"{counts[state]} {state.value}" for state in SHOWN_STATES)
    release = serving_release(backend.settings.release_file)
    return (
        f'<p class="rd-words">{text(reading.words)}</p><dl class="rd-facts-list">'
        + _fact("Document index", _latency(report.opensearch), reading.opensearch, report.opensearch.detail)
        + _fact("Language models", _latency(report.ollama), reading.ollama, report.ollama.detail)
        + (_fact("Way to remote models", _latency(way), reading.remote, way.detail) if way else "")
        + models
        + _fact("Documents", documents)
        + _fact("Questions in line", str(backend.routes.length))
        + _fact("Version", release.version)
        + _fact("Release", release.id)
        + "</dl>"
    )


def _model(backend: Backend, name: str, there: bool) -> str:
    remote = backend.settings.remote(name)
    light: Light = "green" if there else "amber"
    if remote is None:
        return _fact(_use(backend, name), name, light, "" if there else "not installed")
    used = f"{backend.remote_tokens.today().get(name, 0):,}"
    of = f" of {remote.tokens_per_day:,}" if remote.tokens_per_day else ""
    detail = f"{used}{of} tokens today (UTC){'' if there else '; not reachable'}"
    return _fact(_use(backend, name), named(name, remote.host), light, detail)


def _use(backend: Backend, model: str) -> str:
    settings = backend.settings
    uses = {
        settings.ollama_large_model: "Model for hard questions",
        settings.ollama_fallback_model: "Fallback model",
        settings.ollama_model: "Answering model",
        settings.embedding_model_name: "Embedding model",
    }
    return uses.get(model, "Model")


def _latency(seen: ComponentHealth) -> str:
    if not seen.ok:
        return "not answering"
    return f"answers in {seen.latency_ms:.0f} ms" if seen.latency_ms is not None else "answers"


def _fact(name: str, value: str, light: Light | None = None, detail: str = "") -> str:
    dot = f'<i class="rd-dot rd-{light}"></i>' if light else ""
    more = f'<span class="rd-detail">{text(detail)}</span>' if detail else ""
    return f"<dt>{text(name)}</dt><dd>{dot}{text(value)}{more}</dd>"
