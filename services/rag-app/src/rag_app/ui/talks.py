"""The list of conversations beside the chat: open, start, delete, export."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr

from rag_app.backend import Backend
from rag_app.ui import render
from rag_app.ui.formatting import ago, count, text
from rag_core.errors import RagError
from rag_core.ledger.conversations import Conversation, Exchange, Feedback

_SHOWN = 50
Messages = list[dict[str, Any]]
_RATINGS: dict[Feedback | None, str | None] = {"up": "Like", "down": "Dislike", None: None}


@dataclass(frozen=True)
class Unsaved:
    """A question whose answer failed, was stopped or is being written; kept by the server for its page."""

    after: int
    """How many stored exchanges of the conversation precede it."""
    question: str
    """As it was typed."""
    answer: str
    """What is shown of its answer."""

    @property
    def said(self) -> Messages:
        """Both as chat messages."""
        return [
            {"role": "user", "content": render.question_markdown(self.question)},
            {"role": "assistant", "content": self.answer},
        ]

    def is_in(self, exchanges: Sequence[Exchange]) -> bool:
        """Whether the question has been stored since."""
        return len(exchanges) > self.after and exchanges[self.after].question == self.question


def panel() -> gr.HTML:
    """Build the list; its buttons send clicks with an action and a conversation."""
    script = (files("rag_app.ui") / "assets" / "talks.js").read_text(encoding="utf-8")
    return gr.HTML("", elem_id="rd-talks", js_on_load=script, apply_default_css=False)


def talks_html(backend: Backend, current: str) -> str:
    """The list as HTML."""
    talks = backend.conversations.list(limit=_SHOWN)
    rows = "".join(
        f'<li data-talk="{talk.id}"><button class="rd-talk" data-action="open"'
        f"{' aria-current=true' if talk.id == current else ''}><b>{text(talk.title)}</b>"
        f'<span class="rd-facts">{count(talk.questions, "question")}, {ago(talk.updated_at)}</span></button>'
        '<button class="rd-forget" data-action="delete"'
        f' aria-label="Delete {text(talk.title)}">✕</button></li>'
        for talk in talks
    )
    none = '<p class="rd-facts">Nothing asked yet.</p>' if not talks else ""
    off = "" if any(talk.id == current for talk in talks) else " disabled"
    return (
        '<nav aria-label="Conversations"><div class="rd-actions"><button data-action="new">New</button>'
        f'<button data-action="export" data-talk="{text(current)}"{off}>Export</button></div>'
        f'<details class="rd-earlier"><summary>Conversations</summary>{none}<ul>{rows}</ul></details></nav>'
    )


def act(backend: Backend, current: str, action: str, talk: str) -> str:
    """Apply a button's action; returns the conversation to show."""
    if action == "open":
        return talk
    if action == "delete":
        backend.conversations.delete(talk)
        return "" if talk == current else current
    return ""


def shown(backend: Backend, talk: str) -> tuple[str, Any]:
    """The conversation's id (empty if it was deleted) and its chat."""
    if not talk:
        return "", chat(None)
    try:
        return talk, chat(backend.conversations.get(talk))
    except RagError:
        return "", chat(None)


def chat(conversation: Conversation | None) -> Any:
    """The chat's messages with their ratings."""
    exchanges = conversation.exchanges if conversation else ()
    return gr.Chatbot(
        value=messages(exchanges),  # type: ignore[arg-type]
        feedback_value=[_RATINGS[exchange.feedback] for exchange in exchanges],
    )


def messages(exchanges: Sequence[Exchange], unsaved: Sequence[Unsaved] = ()) -> Messages:
    """Questions and answers as chat messages; they come only from the server, never from a browser."""
    shown: Messages = []
    for number in range(len(exchanges) + 1):
        for one in unsaved:
            if one.after == number and not one.is_in(exchanges):
                shown += one.said
        for exchange in exchanges[number : number + 1]:
            text = render.answer_markdown(exchange.answer, exchange.question, exchange.id)
            shown += [
                {"role": "user", "content": render.question_markdown(exchange.question)},
                {"role": "assistant", "content": text},
            ]
    return shown
