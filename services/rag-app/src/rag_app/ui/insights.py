"""The Insights tab: the library's content, the questions, and the speed and quality of the answers."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
import pandas as pd

from rag_app.api.documents import SHOWN_STATES
from rag_app.backend import Backend
from rag_app.ui.event_data import AT_ONCE
from rag_core.ledger.conversations import Day
from rag_core.models import DocumentState

_DAYS = 30
# Each has a contrast of at least 3:1 on both a white and a dark background.
_GOOD, _LESS, _BAD, _IDLE = "#0d9488", "#d97706", "#dc2626", "#64748b"
_STATES = {"ready": _GOOD, "processing": _LESS, "queued": _IDLE, "failed": _BAD}
_ANSWERS = {"fully supported": _GOOD, "not fully": _LESS, "without a model": _IDLE}
_SPEEDS = {"half are faster": _GOOD, "one in 20 is slower": _LESS}
_THUMBS = {"up": _GOOD, "down": _BAD}


def insights_tab(backend: Backend, tab: gr.Tab) -> None:
    """Build the tab; it is filled when opened."""
    summary = gr.HTML("", elem_id="rd-insights", js_on_load=None, apply_default_css=False)
    with gr.Row(elem_classes="rd-charts"):
        questions = _bars("Questions a day", "day", "questions", "answer", _ANSWERS)
        seconds = _points("Seconds for a whole answer", "day", "seconds", "answers", _SPEEDS)
    with gr.Row(elem_classes="rd-charts"):
        support = _bars("Fully supported answers, in percent", "day", "percent", None, None)
        thumbs = _bars("What people thought", "day", "thumbs", "thumb", _THUMBS)
    with gr.Row(elem_classes="rd-charts"):
        documents = _bars("Documents by state", "state", "documents", "state", _STATES)
        chunks = _bars("Chunks of the largest documents", "document", "chunks", None, None)

    def refresh() -> tuple[object, ...]:
        days = backend.conversations.days(_DAYS)
        return (
            summary_html(backend, days),
            _filled(gr.BarPlot, questions_frame(days), "questions"),
            _filled(gr.ScatterPlot, seconds_frame(days), "seconds"),
            gr.BarPlot(value=support_frame(days), y_lim=[0, 100]),
            _filled(gr.BarPlot, thumbs_frame(days), "thumbs"),
            _filled(gr.BarPlot, documents_frame(backend), "documents"),
            _filled(gr.BarPlot, chunks_frame(backend), "chunks"),
        )

    outputs = [summary, questions, seconds, support, thumbs, documents, chunks]
    tab.select(refresh, None, outputs, **AT_ONCE)


def summary_html(backend: Backend, days: Sequence[Day]) -> str:
    """One line of figures for the month."""
    asked = sum(day.questions for day in days)
    written = sum(day.written for day in days)
    supported = sum(day.supported for day in days)
    up, down = sum(day.up for day in days), sum(day.down for day in days)
    documents = backend.ledger.list(states=[DocumentState.READY], limit=100_000)
    chunks = sum(document.chunks for document in documents)
    share = f"{round(100 * supported / written)} %" if written else "-"
    facts = [
        (f"{len(documents):,}", "documents ready"),
        (f"{chunks:,}", "chunks"),
        (f"{asked:,}", f"questions in {_DAYS} days"),
        (share, "models' answers fully supported"),
        (f"{up} / {down}", "thumbs up / down"),
    ]
    cards = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for value, name in facts)
    none = "" if asked else '<p class="rd-facts">Charts appear when questions have been asked.</p>'
    return f'<dl class="rd-cards">{cards}</dl>{none}'


def questions_frame(days: Sequence[Day]) -> pd.DataFrame:
    """Answers per day, by how well they are supported."""
    full, part, none = _ANSWERS
    rows = [(day.day, day.supported, full) for day in days]
    rows += [(day.day, day.written - day.supported, part) for day in days]
    rows += [(day.day, day.questions - day.written, none) for day in days]
    return _frame(rows, ["day", "questions", "answer"])


def seconds_frame(days: Sequence[Day]) -> pd.DataFrame:
    """How long answers took; a day without questions has no point."""
    rows = [(day.day, day.seconds_p50, "half are faster") for day in days if day.seconds_p50 is not None]
    rows += [(day.day, day.seconds_p95, "one in 20 is slower") for day in days if day.seconds_p95 is not None]
    return _frame(rows, ["day", "seconds", "answers"])


def support_frame(days: Sequence[Day]) -> pd.DataFrame:
    """Share of the models' answers that are fully supported by passages."""
    rows = [(day.day, 100 * day.supported / day.written if day.written else 0.0) for day in days]
    return _frame(rows, ["day", "percent"])


def thumbs_frame(days: Sequence[Day]) -> pd.DataFrame:
    """Thumbs per day (by the day of the question)."""
    rows = [(day.day, day.up, "up") for day in days] + [(day.day, day.down, "down") for day in days]
    return _frame(rows, ["day", "thumbs", "thumb"])


def documents_frame(backend: Backend) -> pd.DataFrame:
    """Documents by state."""
    counts = backend.ledger.counts()
    return pd.DataFrame([(one.value, counts[one]) for one in SHOWN_STATES], columns=["state", "documents"])


def chunks_frame(backend: Backend, most: int = 10) -> pd.DataFrame:
    """The documents with the most chunks in the index."""
    ready = backend.ledger.list(states=[DocumentState.READY], limit=100_000)
    largest = sorted(ready, key=lambda one: one.chunks, reverse=True)[:most]
    rows = [(one.name if len(one.name) <= 28 else f"{one.name[:27]}…", one.chunks) for one in largest]
    # An empty chart has no accessible name.
    return pd.DataFrame(rows or [("no document yet", 0)], columns=["document", "chunks"])


def _frame(rows: Sequence[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    frame["day"] = pd.to_datetime(frame["day"])
    return frame


def _bars(title: str, x: str, y: str, color: str | None, colors: dict[str, str] | None) -> gr.BarPlot:
    return gr.BarPlot(
        x=x, y=y, color=color, color_map=colors, sort=None if x != "document" else "-y", **_plot(title, x)
    )


def _points(title: str, x: str, y: str, color: str, colors: dict[str, str]) -> gr.ScatterPlot:
    return gr.ScatterPlot(x=x, y=y, color=color, color_map=colors, **_plot(title, x))


def _plot(title: str, x: str) -> dict[str, Any]:
    return {
        "title": title,
        "x_title": " ",
        "x_axis_format": "%d %b" if x == "day" else None,
        "y_title": " ",
        "y_lim": [0, None],
        "tooltip": "all",
        "height": 240,
        "min_width": 280,
        "buttons": ["fullscreen", "export"],
    }


def _filled(plot: Any, frame: pd.DataFrame, y: str) -> object:
    """The plot with its values; the axis has a length even if all of them are 0."""
    stacked = frame.groupby(frame.columns[0])[y].sum() if len(frame) else frame[y]
    return plot(value=frame, y_lim=[0, max(1.0, 1.1 * float(stacked.max() if len(frame) else 0))])
