"""The Ask tab: a conversation whose answers show what they rest on."""

import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool

from rag_app.api.questions import log_answer
from rag_app.backend import Backend
from rag_app.ui import render, talks
from rag_app.ui.choices import Chosen, Controls
from rag_app.ui.plain import count
from rag_app.ui.reader import reader
from rag_core.conversations import ConversationNotFound, Feedback
from rag_core.errors import RagError
from rag_core.models import Answer, Done, Retrieved, Switched, Token

_SHOW_EVERY_SECONDS = 0.12
"""A page redrawn for each token is slower than the model."""
Messages = talks.Messages
_REMEMBERED = 6
"""Exchanges of a conversation that a follow-up question may lean on."""
_EXCHANGE = re.compile(r"rd-x-([0-9a-f]{16})")
_KEEP = "(id) => { sessionStorage.setItem('ragdock-talk', id) }"
_RECALL = "() => [sessionStorage.getItem('ragdock-talk') ?? '']"

_PLACEHOLDER = """<div class="rd-welcome"><h2>What would you like to know?</h2>
<p>Ask in your own words. The answer names the document and page it rests on.<br>
New here? Add documents in the <b>Library</b> first.</p></div>"""


def ask_tab(backend: Backend, controls: Controls, page: gr.Blocks) -> None:
    """Build the tab's content and wire its events."""
    # Which conversation is shown: the browser tab remembers it, so that a new server can go on with it.
    talk = gr.Textbox("", visible="hidden", elem_id="rd-talk-id")
    with gr.Row(elem_id="rd-desk", equal_height=False):
        listed = talks.panel(backend)
        with gr.Column(elem_id="rd-talk", min_width=280):
            chat = _chat()
            question = _question(backend)
        reader(backend)
    asked = gr.State("")

    def take(written: str, messages: Messages) -> tuple[object, str, Messages]:
        """Show the question at once; the line is free for the next one."""
        running = gr.Textbox(value="", submit_btn=False, stop_btn=True)
        return running, written, [*messages, {"role": "user", "content": written}]

    async def answer(
        written: str, messages: Messages, current: str, *chosen: object
    ) -> AsyncIterator[tuple[Messages, str]]:
        async for shown, now in answering(backend, written, current, controls.read(chosen)):
            yield [*messages, {"role": "assistant", "content": shown}], now

    def rest(current: str) -> tuple[object, str]:
        return gr.Textbox(submit_btn=True, stop_btn=False), talks.talks_html(backend, current)

    def turn(current: str, event: gr.EventData) -> tuple[object, str, object, str]:
        wanted = talks.act(backend, current, str(event.action), str(event.talk))
        now, messages = talks.shown(backend, wanted)
        return gr.Textbox(submit_btn=True, stop_btn=False), now, messages, talks.talks_html(backend, now)

    def recall(kept: str) -> tuple[str, object, str]:
        now, messages = talks.shown(backend, kept)
        return now, messages, talks.talks_html(backend, now)

    def rate(event: gr.LikeData) -> None:
        _rate(backend, event)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    running = question.submit(take, [question, chat], [question, asked, chat], queue=False, **quiet).then(
        answer, [asked, chat, talk, *controls.inputs], [chat, talk], concurrency_limit=None, **quiet
    )
    running.then(rest, talk, [question, listed], queue=False, **quiet)
    question.stop(rest, talk, [question, listed], cancels=[running], queue=False, **quiet)
    listed.click(turn, talk, [question, talk, chat, listed], cancels=[running], queue=False, **quiet)
    # Through the queue: what went wrong is told by a notice, and those come that way only.
    chat.like(rate, None, None, **quiet)
    talk.change(None, talk, None, js=_KEEP, api_visibility="private")
    page.load(recall, talk, [talk, chat, listed], js=_RECALL, queue=False, **quiet)


def _chat() -> gr.Chatbot:
    return gr.Chatbot(
        placeholder=_PLACEHOLDER,
        show_label=False,
        container=False,
        layout="bubble",
        height="calc(100dvh - 12.5rem - var(--rd-outage, 0rem))",
        min_height=280,
        buttons=[],
        feedback_options=("Like", "Dislike"),
        latex_delimiters=[],
        sanitize_html=True,
        allow_file_downloads=False,
        elem_id="rd-chat",
    )


def _question(backend: Backend) -> gr.Textbox:
    return gr.Textbox(
        placeholder="Ask your documents…",
        show_label=False,
        container=False,
        max_lines=6,
        max_length=backend.settings.question_max_chars,
        submit_btn=True,
        stop_btn=False,
        label="Question",
        autofocus=True,
        elem_id="rd-question",
    )


def _rate(backend: Backend, event: gr.LikeData) -> None:
    """Store a thumb; which answer it is for stands in the message itself."""
    found = _EXCHANGE.search(str(event.value))
    if found is None:
        return
    feedback: dict[object, Feedback | None] = {True: "up", "Like": "up", False: "down", "Dislike": "down"}
    try:
        backend.conversations.rate(found[1], feedback.get(event.liked))
    except RagError as error:
        gr.Warning(error.message)


async def answering(
    backend: Backend, question: str, talk: str, chosen: Chosen
) -> AsyncIterator[tuple[str, str]]:
    """The answer's message and its conversation; each value replaces the one before it."""
    if not question.strip():
        yield render.note("Please type a question."), talk
        return
    try:
        async with backend.gate.enter() as ticket:
            async for ahead in ticket.places():
                seconds = backend.gate.expected_wait(ticket)
                yield render.note(f"{count(ahead, 'question')} before yours, about {seconds:.0f} s…"), talk
            told = await run_in_threadpool(_told, backend, talk)
            async for shown in _written(backend, question, chosen, told):
                if isinstance(shown, str):
                    yield shown, talk
                else:
                    talk, exchange = await run_in_threadpool(_remember, backend, talk, question, shown)
                    yield render.answer_markdown(shown, question, exchange), talk
    except RagError as error:
        yield render.note(error.message, warn=True), talk


def _remember(backend: Backend, talk: str, question: str, answer: Answer) -> tuple[str, str]:
    """Store the answer; a conversation that was deleted while it was written begins anew."""
    store = backend.conversations
    try:
        exchange = store.add(talk or store.start(question).id, question, answer)
    except ConversationNotFound:
        talk = store.start(question).id
        exchange = store.add(talk, question, answer)
    return exchange.conversation_id, exchange.id


def _told(backend: Backend, talk: str) -> list[tuple[str, str]]:
    """What was asked and answered before in this conversation: a follow-up question leans on it."""
    if not talk:
        return []
    try:
        exchanges = backend.conversations.get(talk).exchanges
    except ConversationNotFound:
        return []
    return [(one.question, one.answer.answer) for one in exchanges[-_REMEMBERED:]]


async def _written(
    backend: Backend, question: str, chosen: Chosen, told: Sequence[tuple[str, str]]
) -> AsyncIterator[str | Answer]:
    yield render.note("Looking through your documents…")
    written, shown_at = "", 0.0
    async for event in backend.ask(
        question, model=chosen.model, top_k=chosen.top_k, timeout=chosen.timeout, history=told
    ):
        match event:
            case Retrieved(passages=passages):
                documents = len({passage.document_id for passage in passages})
                yield render.note(
                    f"Reading {count(len(passages), 'passage')} of {count(documents, 'document')}…"
                )
            case Token(text=piece):
                written += piece
                if time.monotonic() - shown_at > _SHOW_EVERY_SECONDS:
                    yield render.model_markdown(written)
                    shown_at = time.monotonic()
            case Switched(model=model):
                written = ""
                yield render.note(f"The first model did not answer; asking {model}…")
            case Done(answer=answer):
                log_answer(answer)
                yield answer
