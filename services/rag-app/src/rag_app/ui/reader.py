"""The document page beside the chat: its text, with the passage that supports an answer highlighted."""

from dataclasses import dataclass
from importlib.resources import files

import gradio as gr

from rag_app.api.documents import visible
from rag_app.backend import Backend
from rag_app.ui.event_data import AT_ONCE, part
from rag_app.ui.formatting import pages, text
from rag_app.ui.report import report_html
from rag_core.errors import RagError
from rag_core.index import page_text
from rag_core.models import Document

_LONGEST_PASSAGE = 20_000
_MOST_PAGES = 6
"""Of a passage that claims to span more pages, only the first are shown."""


@dataclass(frozen=True)
class Place:
    """What to show. It comes from the browser, so it is not trusted."""

    document: str
    first: int
    last: int
    passage: str = ""

    @classmethod
    def of(cls, event: gr.EventData) -> "Place":
        """Read it from the click event."""
        first = _number(part(event, "first"))
        return cls(
            document=part(event, "document"),
            first=first,
            last=min(max(first, _number(part(event, "last"))), first + _MOST_PAGES - 1),
            passage=part(event, "passage", _LONGEST_PASSAGE),
        )


def reader(backend: Backend) -> None:
    """Build the panel; a citation opens it (assets/app.js sends it what to show)."""
    script = (files("rag_app.ui") / "assets" / "reader.js").read_text(encoding="utf-8")
    panel = gr.HTML("", elem_id="rd-reader", js_on_load=script, apply_default_css=False)

    def read(event: gr.EventData) -> str:
        return page_html(backend, Place.of(event))

    panel.click(read, None, panel, **AT_ONCE)


def page_html(backend: Backend, place: Place) -> str:
    """The pages as HTML; if they cannot be read, the reason and only the passage."""
    try:
        document = visible(backend.ledger, place.document)
        shown = page_text.read(
            backend.index.sources, document.id, place.first, place.last, passage=place.passage
        )
    except RagError as error:
        passage = f"<blockquote><mark>{_lines(place.passage)}</mark></blockquote>" if place.passage else ""
        reason = f'<p class="rd-reason" role="alert">{text(error.message)}</p>'
        return _head("Page not shown", "") + reason + passage
    cut = "" if shown.whole else '<p class="rd-facts">A long page: the part around the passage is shown.</p>'
    body = _body(shown) or '<p class="rd-facts">There is no text on this page.</p>'
    where = pages(place.first, place.last)
    return _head(document.name, where) + report_html(document.report) + _turning(document, place) + cut + body


def _body(shown: page_text.PageText) -> str:
    parts: list[str] = []
    page, title = 0, ""
    marked = False
    for piece in shown.pieces:
        if piece.page != page:
            parts.append(f'<h3 class="rd-pageno" id="page-{piece.page}">Page {piece.page}</h3>')
            page = piece.page
        if piece.title and piece.title != title:
            parts.append(f'<p class="rd-heading" dir="auto">{text(piece.title)}</p>')
            title = piece.title
        if piece.cited:
            # The panel scrolls to the first one.
            anchor = "" if marked else ' id="rd-cited" tabindex="-1"'
            parts.append(f'<p dir="auto"><mark{anchor}>{_lines(piece.text)}</mark></p>')
            marked = True
        else:
            parts.append(f'<p dir="auto">{_lines(piece.text)}</p>')
    return f'<div class="rd-pagetext">{"".join(parts)}</div>' if parts else ""


def _head(name: str, where: str) -> str:
    return (
        '<div class="rd-readhead"><div class="rd-about">'
        f'<h2 class="rd-name" dir="auto" title="{text(name)}">{text(name)}</h2>'
        f'<p class="rd-facts">{where}</p></div>'
        '<button class="rd-close" data-close aria-label="Close the page">✕</button></div>'
    )


def _turning(document: Document, place: Place) -> str:
    """Buttons to the previous and next page; the passage stays marked while the user turns pages."""
    last = document.pages or place.last
    buttons = []
    for words, page in (("Previous page", place.first - 1), ("Next page", place.last + 1)):
        off = "" if 1 <= page <= last else " disabled"
        buttons.append(f'<button data-page="{page}"{off}>{words}</button>')
    return (
        f'<div class="rd-turn rd-actions" data-document="{text(document.id)}">{"".join(buttons)}'
        f'<span class="rd-facts">of {last}</span></div>'
    )


def _lines(value: str) -> str:
    return "<br>".join(text(line) for line in value.strip("\n").splitlines())


def _number(value: object) -> int:
    """A valid page number, whatever was sent; 1 by default."""
    digits = str(value)
    return max(1, int(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 8 else 1
