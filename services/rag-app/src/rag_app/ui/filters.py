"""Filters of a question: the row below it, for this browser tab only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import gradio as gr

from rag_app.backend import Backend
from rag_app.ui.formatting import text
from rag_core.errors import QuestionRefused
from rag_core.models import DocumentKind, DocumentState, Filters

_LONGEST_DAY = 40
_LISTED = 1000
"""Documents to choose from; a longer list would be of no use."""
_KINDS = {
    DocumentKind.PDF: "PDF",
    DocumentKind.DOCX: "Word",
    DocumentKind.PPTX: "PowerPoint",
    DocumentKind.XLSX: "Excel",
    DocumentKind.CSV: "CSV",
    DocumentKind.OPENDOCUMENT: "OpenDocument",
    DocumentKind.RTF: "RTF",
    DocumentKind.EPUB: "EPUB",
    DocumentKind.EMAIL: "E-mail",
    DocumentKind.HTML: "HTML",
    DocumentKind.XML: "XML",
    DocumentKind.NOTEBOOK: "Notebook",
    DocumentKind.MARKDOWN: "Markdown",
    DocumentKind.TEXT: "Text",
}
# A page loads with empty inputs: store nothing until the filters are restored.
_KEEP = """(...chosen) => {
  if (window.ragdockRestored) sessionStorage.setItem('ragdock-only', JSON.stringify(chosen));
  return chosen;
}"""
_RESTORED = "() => { window.ragdockRestored = true }"
_RECALL = "() => [sessionStorage.getItem('ragdock-only') ?? '']"
_QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "queue": False,
    "api_visibility": "private",
    # No preprocessing: rag_app.events has checked the values, and the choices differ from page to page.
    "preprocess": False,
}


@dataclass(frozen=True)
class FilterRow:
    """The inputs of the row."""

    documents: gr.Dropdown
    kinds: gr.Dropdown
    tags: gr.Dropdown
    since: gr.DateTime
    until: gr.DateTime

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The inputs, in the order in which `meant` takes their values."""
        return [self.documents, self.kinds, self.tags, self.since, self.until]


def row(backend: Backend, page: gr.Blocks, shown: gr.HTML) -> FilterRow:
    """Build the row, initially closed. `shown` names the filters in use, even while the row is closed."""
    kept = gr.Textbox("", visible="hidden", elem_id="rd-only-kept")
    with gr.Accordion("Filter", open=False, elem_id="rd-filter") as opened:
        with gr.Row():
            documents = _several("Documents", "rd-only-documents")
            kinds = _several("Types", "rd-only-types", [(name, kind.value) for kind, name in _KINDS.items()])
            tags = _several("Tags (each of them)", "rd-only-tags")
        with gr.Row(equal_height=False):
            since = _day("Added from", "rd-only-since")
            until = _day("Added to", "rd-only-until")
        clear = gr.Button("Ask all documents", size="sm", elem_id="rd-only-clear")
    inputs = FilterRow(documents, kinds, tags, since, until)

    def show(*values: object) -> str:
        return summary_html(backend, values)

    def offer() -> tuple[object, object]:
        documents, tags = choices(backend)
        return gr.Dropdown(choices=documents), gr.Dropdown(choices=tags)

    def restore(stored: str) -> list[object]:
        documents, tags = choices(backend)
        values = recalled(stored, [one for _, one in documents], tags)
        return [
            gr.Dropdown(choices=documents, value=values[0]),
            values[1],
            gr.Dropdown(choices=tags, value=values[2]),
            *values[3:],
            summary_html(backend, values),
        ]

    changes = [one.change for one in inputs.inputs]  # type: ignore[attr-defined]
    # Of several changes at once, only the last counts.
    gr.on(changes, show, inputs.inputs, shown, js=_KEEP, trigger_mode="always_last", **_QUIET)
    opened.expand(offer, None, [inputs.documents, inputs.tags], **_QUIET)
    clear.click(lambda: [[], [], [], None, None], None, inputs.inputs, **_QUIET)
    restored = page.load(restore, kept, [*inputs.inputs, shown], js=_RECALL, **_QUIET)
    restored.then(None, js=_RESTORED)
    return inputs


def choices(backend: Backend) -> tuple[list[tuple[str, str]], list[str]]:
    """The documents that can be searched, by name, and their tags."""
    documents = backend.ledger.list(states=(DocumentState.READY,), limit=_LISTED)
    tags = backend.tags.of([one.id for one in documents])
    named = sorted(((one.name, one.id) for one in documents), key=lambda one: one[0].casefold())
    return named, sorted({tag for some in tags.values() for tag in some})


def recalled(stored: str, documents: Sequence[str], tags: Sequence[str]) -> list[Any]:
    """The filters that this browser tab had before a reload, without what has been deleted since."""
    try:
        some, kinds, marked, since, until = json.loads(stored)
        return [
            [one for one in some if one in documents],
            [one for one in kinds if one in list(_KINDS)],
            [one for one in marked if one in tags],
            _recalled_day(since),
            _recalled_day(until),
        ]
    except (ValueError, TypeError, RecursionError):
        return [[], [], [], None, None]


def _recalled_day(stored: object) -> str | None:
    """The text of a date field; `meant` checks that it is a date."""
    return (
        stored if isinstance(stored, str) and stored.isascii() and 0 < len(stored) <= _LONGEST_DAY else None
    )


def meant(values: Sequence[Any]) -> Filters:
    """The inputs' values as the filters of a question. Both dates are inclusive."""
    documents, kinds, tags, since, until = values
    return Filters(
        documents=tuple(documents) or None if documents else None,
        kinds=tuple(DocumentKind(kind) for kind in kinds or ()),
        tags=tuple(tags or ()),
        added_from=_midnight(since),
        added_to=None if not until else _midnight(until, after=True),
    )


def summary_html(backend: Backend, values: Sequence[Any]) -> str:
    """The filters in use as HTML; empty when there are none."""
    try:
        if not meant(values).given:
            return ""
    except QuestionRefused as error:
        return f'<p class="rd-only rd-warn" role="alert">{text(error.message)}</p>'
    documents, kinds, tags, since, until = values
    found = [backend.ledger.find(one) for one in documents or ()]
    parts = [_name(one.name if one else "a deleted document") for one in found]
    parts += [_KINDS[DocumentKind(kind)] for kind in kinds or ()]
    parts += [f"tag {_name(tag)}" for tag in tags or ()]
    parts += [f"added from {text(since)}"] if since else []
    parts += [f"added to {text(until)}"] if until else []
    return f'<p class="rd-only" role="status">Answers only from: {", ".join(parts)}</p>'


def _name(value: str) -> str:
    return f"<bdi>{text(value)}</bdi>"


def _midnight(written: str | None, *, after: bool = False) -> datetime | None:
    if not written:
        return None
    try:
        day = date.fromisoformat(written.strip()[:10])
    except ValueError:
        raise QuestionRefused(
            f"The filter's date {written.strip()[:20]!r} is not a date. Write it as 2026-01-31.",
            code="bad_date",
        ) from None
    if after and day == date.max:
        # There is no later day, so nothing is excluded.
        return None
    return datetime.combine(day + timedelta(days=after), time(), UTC)


def _several(label: str, elem_id: str, offered: Sequence[tuple[str, str]] = ()) -> gr.Dropdown:
    return gr.Dropdown(list(offered), value=[], multiselect=True, label=label, min_width=180, elem_id=elem_id)


def _day(label: str, elem_id: str) -> gr.DateTime:
    # Read as text, so that a bad date is reported beside the question instead of failing the event.
    return gr.DateTime(
        None, include_time=False, type="string", timezone="UTC", label=label, min_width=220, elem_id=elem_id
    )
