"""The Library tab: add documents, see their state, remove or retry them."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr
import structlog

from rag_app.api.documents import SHOWN_STATES, visible
from rag_app.backend import Backend
from rag_app.settings import AppSettings
from rag_app.ui.event_data import AT_ONCE, part
from rag_app.ui.formatting import ago, count, size, text
from rag_app.ui.report import NOTED, has_notes, report_html, summary
from rag_core.errors import RagError
from rag_core.models import Document, DocumentState, Ingestion

_SHOWN = 100
_REFRESH_SECONDS = 2.0
_LONGEST_TAGS = 2000
_WORDS = {
    DocumentState.QUEUED: "Queued",
    DocumentState.PROCESSING: "Processing",
    DocumentState.READY: "Ready",
    DocumentState.FAILED: "Failed",
}
_DROP = """<div class="rd-dropzone"><label><b>Drop documents or folders here</b>
<span class="rd-pick">or choose files</span><input type="file" multiple aria-label="Documents to add"></label>
<p class="rd-hint">PDF (also scanned), Word, PowerPoint, Excel, OpenDocument, RTF, CSV, EPUB, e-mail, HTML,
XML, notebooks, Markdown or text; many at once, up to {limit} MB each.{remote}</p></div>
<p id="rd-outcome" class="rd-outcome" role="status" hidden></p><ul class="rd-sending"></ul>"""
_log = structlog.stdlib.get_logger("rag_app.library")


def _remote(settings: AppSettings) -> str:
    host = settings.hosts.get(settings.embedding_model_name)
    return f" Their text goes to {text(host)}, outside this server, to be found by meaning." if host else ""


def library_tab(backend: Backend) -> None:
    """Build the tab's content and wire its events."""
    assets = files("rag_app.ui") / "assets"
    gr.HTML(
        _DROP.format(limit=backend.settings.upload_max_mib, remote=_remote(backend.settings)),
        elem_id="rd-drop",
        js_on_load=(assets / "drop.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )
    with gr.Row(elem_id="rd-filters"):
        search = gr.Textbox(
            placeholder="Find a document by name or tag",
            label="Find a document by name or tag",
            show_label=False,
            container=False,
            max_lines=1,
            elem_id="rd-search",
        )
        state = gr.Dropdown(
            [("Any state", ""), *((_WORDS[one], one.value) for one in SHOWN_STATES)],
            value="",
            label="State",
            show_label=False,
            container=False,
            filterable=False,
            elem_id="rd-state",
        )
    shown = gr.State("")
    work = gr.HTML("", elem_id="rd-ingestion", js_on_load=None, apply_default_css=False)
    table = gr.HTML(
        value="",
        elem_id="rd-library",
        js_on_load=(assets / "library.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )

    def refresh(search_for: str, only: str, before: str) -> tuple[object, object, str]:
        doing = ingestion_html(backend.ledger.ingestion())
        now = library_html(backend, search_for.strip(), only)
        # Do not send an unchanged table again: that would take the focus from its buttons.
        return (gr.skip(), gr.skip(), doing) if now == before else (now, now, doing)

    def act(search_for: str, only: str, event: gr.EventData) -> tuple[str, str]:
        refused = act_on(
            backend, part(event, "action"), part(event, "document"), part(event, "tags", _LONGEST_TAGS)
        )
        now = library_html(backend, search_for.strip(), only)
        # Only the table itself is remembered, so a refusal stays until the table changes.
        return refused + now, now

    # Not through Gradio's queue, and a tick never waits for the previous one: if the server is
    # replaced during a tick, the next one goes to the new server.
    asked: dict[str, Any] = {"inputs": [search, state, shown], "outputs": [table, shown, work]}
    gr.on([search.change, state.change], refresh, **asked, **AT_ONCE)
    table.click(act, [search, state], [table, shown], **AT_ONCE)
    gr.Timer(_REFRESH_SECONDS).tick(refresh, **asked, **AT_ONCE, trigger_mode="multiple")


def library_html(backend: Backend, search: str, only: str = "") -> str:
    """Summary and rows as HTML."""
    counts = backend.ledger.counts()
    total = sum(counts[state] for state in SHOWN_STATES)
    if not total:
        return (
            '<div class="rd-empty"><h3>No documents yet</h3>'
            "<p>Drop the first ones above. You can ask as soon as one of them is ready.</p></div>"
        )
    states = tuple(state for state in SHOWN_STATES if only in ("", state.value))
    documents = _found(backend, search, states)
    tags = backend.tags.of([document.id for document in documents])
    summary = " · ".join(
        f"{counts[state]} {_WORDS[state].lower()}" for state in SHOWN_STATES if counts[state]
    )
    more = ""
    if len(documents) == _SHOWN and total > _SHOWN:
        more = f'<p class="rd-more">The newest {_SHOWN} are shown; find others by name above.</p>'
    if not documents:
        named = f" has “{text(search)}” in its name or tags" if search else ""
        more = f'<p class="rd-more">No document{named}{" in this state" if only else ""}.</p>'
    plural = "s" if total != 1 else ""
    return (
        f'<p class="rd-summary" role="status"><b>{total} document{plural}</b> {summary}</p>'
        f'<ul class="rd-docs">{"".join(_row(one, tags.get(one.id, ())) for one in documents)}</ul>{more}'
    )


def ingestion_html(now: Ingestion) -> str:
    """Ingestion progress in one line; empty when there is nothing to read."""
    if not now.documents_left and not now.rebuilding:
        return ""
    parts = [f"{count(now.documents_left, 'document')} left"] if now.documents_left else []
    if now.pages_in_hand:
        parts.append(f"{now.pages_in_hand_done} of {count(now.pages_in_hand, 'page')} in hand")
    if now.chunks_left:
        parts.append(f"about {count(now.chunks_left, 'chunk')} to go")
    if now.chunks_per_minute:
        parts.append(f"{now.pages_per_minute:.0f} pages and {now.chunks_per_minute:.0f} chunks a minute")
    if now.seconds_left is not None:
        parts.append(f"about {count(max(1, round(now.seconds_left / 60)), 'minute')} left")
    if now.rebuilding:
        parts.append(f"a new index lacks {count(now.rebuilding, 'document')}")
    if now.paused:
        parts.append(f"waits: {text(now.paused)}")
    elif now.questions_first:
        parts.append("questions go first")
    return f'<p class="rd-facts rd-work"><b>Reading</b> {" · ".join(parts)}</p>'


def _found(backend: Backend, search: str, states: Sequence[DocumentState]) -> list[Document]:
    """Find documents by name or tag, newest first."""
    named = backend.ledger.list(states=states, search=search or None, limit=_SHOWN)
    if not search:
        return named
    known = {document.id for document in named}
    others = [backend.ledger.find(one) for one in backend.tags.holding(search) if one not in known]
    tagged = [one for one in others if one is not None and one.state in states]
    return sorted([*named, *tagged], key=lambda one: one.created_at, reverse=True)[:_SHOWN]


def _row(document: Document, tags: Sequence[str]) -> str:
    name = text(document.name)
    facts = [size(document.size), ago(document.created_at)]
    if document.state == DocumentState.READY:
        read = summary(document.report)
        facts[:0] = [count(document.pages or 0, "page"), *read, count(document.chunks, "chunk")]
    others = ", ".join(text(other) for other in document.names if other != document.name)
    also = f'<p class="rd-facts rd-also">The same content as {others}</p>' if others else ""
    reason = f'<p class="rd-reason">{text(document.reason)}</p>' if document.reason else ""
    noted = document.state == DocumentState.READY and has_notes(document.report)
    notes = report_html(document.report) if document.state == DocumentState.READY else ""
    retry = (
        f'<button data-action="retry" aria-label="Try {name} again">Try again</button>'
        if document.state == DocumentState.FAILED
        else ""
    )
    return (
        f'<li class="rd-doc" data-document="{text(document.id)}" data-state="{document.state.value}">'
        f'<span class="rd-state rd-{"noted" if noted else document.state.value}">'
        f"{NOTED if noted else _WORDS[document.state]}</span>"
        f'<div class="rd-about"><p class="rd-name" dir="auto" title="{name}">{name}</p>'
        f'<p class="rd-facts">{" · ".join(facts)}</p>{also}{_chips(tags)}{_progress(document)}'
        f"{reason}{notes}</div>"
        f'<div class="rd-actions">{retry}<button data-action="tag" data-name="{name}"'
        f' data-tags="{text(", ".join(tags))}" aria-label="Tags of {name}">Tags</button>'
        f'<button data-action="delete" data-name="{name}" aria-label="Delete {name}">Delete</button>'
        "</div></li>"
    )


def _chips(tags: Sequence[str]) -> str:
    """Tags as buttons that show the other documents with the same tag."""
    chips = "".join(
        f'<button class="rd-tag" data-find="{text(tag)}" title="Find all with this tag">{text(tag)}</button>'
        for tag in tags
    )
    return f'<p class="rd-tags">{chips}</p>' if chips else ""


def _progress(document: Document) -> str:
    if document.state != DocumentState.PROCESSING:
        return ""
    if not document.pages:
        return '<p class="rd-facts">Reading the file…</p>'
    done = min(document.pages_done, document.pages)
    return (
        f'<progress max="{document.pages}" value="{done}" aria-label="Pages done"></progress>'
        f'<p class="rd-facts">{done} of {count(document.pages, "page")},'
        f" {count(document.chunks, 'chunk')}</p>"
    )


def act_on(backend: Backend, action: str, document_id: str, tags: str = "") -> str:
    """Apply a button's action; returns nothing, or the refusal as HTML.

    Gradio's own notices need its queue, which these buttons do not use.
    """
    try:
        if action == "delete":
            backend.ledger.request_delete(document_id)
            backend.tags.put(document_id, ())
        elif action == "retry":
            backend.ledger.retry(document_id)
        elif action == "tag":
            backend.tags.put(visible(backend.ledger, document_id).id, tags.split(","))
        else:
            _log.warning("unknown_action", action=action[:40])
    except RagError as error:
        return f'<p class="rd-outcome rd-warn" role="alert">{text(error.message)}</p>'
    return ""
