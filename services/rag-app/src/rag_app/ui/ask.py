"""The Ask tab: a conversation whose answers show what supports them."""

import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from importlib.resources import files
from itertools import takewhile
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool

from rag_app.api.questions import log_answer
from rag_app.backend import Backend
from rag_app.gate import Waiting
from rag_app.settings import AppSettings
from rag_app.ui import filters, render, talks
from rag_app.ui.choices import Chosen, Controls
from rag_app.ui.event_data import part
from rag_app.ui.formatting import count, named, text
from rag_app.ui.reader import reader
from rag_core.errors import RagError
from rag_core.ledger.conversations import ConversationNotFound, Exchange, Feedback
from rag_core.models import Answer, AnswerEvent, Done, Question, Reading, Retrieved, Switched, Token

_SHOW_EVERY_SECONDS = 0.12
"""Minimum between two updates: redrawing the page for each token is slower than the model."""
Messages = talks.Messages
Kept = list[talks.Unsaved]
_KEPT = 20
"""Questions without a stored answer that a page keeps showing."""
_REMEMBERED = 6
"""Exchanges of a conversation that a follow-up question may refer to."""
_EXCHANGE = re.compile(r"rd-x-([0-9a-f]{16})")
_KEEP = "(id) => { sessionStorage.setItem('ragdock-talk', id) }"
_RECALL = "() => [sessionStorage.getItem('ragdock-talk') ?? '']"

_PLACEHOLDER = """<div class="rd-welcome"><h2>What would you like to know?</h2>
<p>Ask in your own words. The answer names the document and page it rests on.<br>
New here? Add documents in the <b>Library</b> first.{remote}</p></div>"""


def ask_tab(backend: Backend, controls: Controls, page: gr.Blocks) -> None:
    """Build the tab's content and wire its events."""
    # Which conversation is shown: the browser tab remembers it, so that a new server can continue it.
    talk = gr.Textbox("", visible="hidden", elem_id="rd-talk-id")
    with gr.Row(elem_id="rd-desk", equal_height=False):
        listed = talks.panel()
        with gr.Column(elem_id="rd-talk", min_width=280):
            chat = _chat(asked_hosts(backend.settings))
            in_use = gr.HTML("", elem_id="rd-only", js_on_load=None, apply_default_css=False)
            question = _question(backend)
            asked_of = filters.row(backend, page, in_use)
        reader(backend)
    again = _again()
    asked, afresh, unsaved = gr.State(""), gr.State(""), gr.State([])

    def take(written: str, current: str, kept: Kept) -> tuple[object, str, str, Messages]:
        """Show the question at once and clear the input for the next one."""
        running = gr.Textbox(value="", submit_btn=False, stop_btn=True)
        return running, written, "", _asking(backend, current, written, kept)

    def take_again(current: str, kept: Kept, event: gr.EventData) -> tuple[object, str, str, Messages]:
        """Ask the same question again, keeping the text in the input."""
        exchange = part(event, "exchange")
        written = _question_of(backend, current, exchange)
        running = gr.Textbox(submit_btn=False, stop_btn=True)
        return running, written, exchange, _asking(backend, current, written, kept)

    async def answer(
        written: str, exchange: str, kept: Kept, current: str, *chosen: object
    ) -> AsyncIterator[tuple[Messages, str, Kept]]:
        exchanges = await run_in_threadpool(_exchanges, backend, current)
        kept = [one for one in kept if not one.is_in(exchanges)][-_KEPT:]
        earlier = talks.messages(exchanges, kept)
        many = len(controls.inputs)
        with_what, of_what = controls.read(chosen[:many]), chosen[many:]
        said = answering(backend, written, current, with_what, of_what=of_what, afresh=exchange)
        async for shown, now in said:
            asked_now = talks.Unsaved(len(exchanges), written, shown)
            yield [*earlier, *asked_now.said], now, [*kept, asked_now]

    def rest(current: str) -> tuple[object, str]:
        return gr.Textbox(submit_btn=True, stop_btn=False), talks.talks_html(backend, current)

    def turn(current: str, event: gr.EventData) -> tuple[object, str, object, str, Kept]:
        wanted = talks.act(backend, current, part(event, "action"), part(event, "talk"))
        now, messages = talks.shown(backend, wanted)
        ready = gr.Textbox(submit_btn=True, stop_btn=False)
        return ready, now, messages, talks.talks_html(backend, now), []

    def recall(stored: str) -> tuple[str, object, str, Kept]:
        now, messages = talks.shown(backend, stored)
        return now, messages, talks.talks_html(backend, now), []

    def rate(event: gr.EventData) -> None:
        _rate(backend, event)

    # No preprocessing: rag_app.events has checked the values, so Gradio must not interpret them.
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "preprocess": False}
    taken = [question, asked, afresh, chat]
    running = []
    for begun in (
        question.submit(take, [question, talk, unsaved], taken, queue=False, **quiet),
        again.click(take_again, [talk, unsaved], taken, queue=False, **quiet),
    ):
        wanted = [asked, afresh, unsaved, talk, *controls.inputs, *asked_of.inputs]
        answered = begun.then(answer, wanted, [chat, talk, unsaved], concurrency_limit=None, **quiet)
        answered.then(rest, talk, [question, listed], queue=False, **quiet)
        running.append(answered)
    question.stop(rest, talk, [question, listed], cancels=running, queue=False, **quiet)
    listed.click(turn, talk, [question, talk, chat, listed, unsaved], cancels=running, queue=False, **quiet)
    # Goes through the queue, because only the queue delivers the notices that show errors.
    chat.like(rate, None, None, **quiet)
    talk.change(None, talk, None, js=_KEEP, api_visibility="private")
    page.load(recall, talk, [talk, chat, listed, unsaved], js=_RECALL, queue=False, **quiet)


def _chat(hosts: Sequence[str] = ()) -> gr.Chatbot:
    named_hosts = ", ".join(map(text, hosts))
    remote = (
        f"<br>Your questions, what is found for them and their answers go to {named_hosts}, outside this"
        " server."
        if hosts
        else ""
    )
    return gr.Chatbot(
        placeholder=_PLACEHOLDER.format(remote=remote),
        show_label=False,
        container=False,
        layout="bubble",
        height="calc(100dvh - 15.9rem - var(--rd-outage, 0rem) - var(--rd-filter, 0rem))",
        min_height=280,
        buttons=[],
        feedback_options=("Like", "Dislike"),
        latex_delimiters=[],
        sanitize_html=True,
        allow_file_downloads=False,
        elem_id="rd-chat",
    )


def asked_hosts(settings: AppSettings) -> list[str]:
    """The hosts outside this server that text of questions is sent to."""
    names = (*settings.chat_models, settings.embedding_model_name)
    return list(dict.fromkeys(settings.hosts[name] for name in names if name in settings.hosts))


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


def _again() -> gr.HTML:
    """Hidden component that sends the click on an answer's "Ask again" to the server."""
    script = (files("rag_app.ui") / "assets" / "again.js").read_text(encoding="utf-8")
    return gr.HTML("", elem_id="rd-again", js_on_load=script, apply_default_css=False)


def _rate(backend: Backend, event: gr.EventData) -> None:
    """Store a rating. The id of its answer is in the footer, the last part of the message."""
    sent = event._data
    value, liked = (sent.get("value"), sent.get("liked")) if isinstance(sent, dict) else (None, None)
    found = _EXCHANGE.findall(str(value))
    if not found:
        return
    feedback: dict[object, Feedback | None] = {True: "up", "Like": "up", False: "down", "Dislike": "down"}
    try:
        backend.conversations.rate(found[-1], feedback.get(liked) if isinstance(liked, str | bool) else None)
    except RagError as error:
        gr.Warning(error.message)


async def answering(
    backend: Backend,
    question: str,
    talk: str,
    chosen: Chosen,
    *,
    of_what: Sequence[object] | None = None,
    afresh: str = "",
) -> AsyncIterator[tuple[str, str]]:
    """Yield the answer's message and its conversation; each value replaces the previous one.

    `of_what` holds the values of the filter row, `afresh` the exchange that is asked again.
    """
    if not question.strip():
        yield render.note("Please type a question."), talk
        return
    try:
        documents = filters.meant(of_what) if of_what else None
        history = await run_in_threadpool(_history, backend, talk, afresh)
        events = backend.ask(
            Question(
                text=question,
                model=chosen.model,
                top_k=chosen.top_k,
                timeout=chosen.timeout,
                history=tuple(history),
                filters=documents,
                fresh=bool(afresh),
            )
        )
        async with aclosing(events):
            async for shown in _written(events, question):
                if isinstance(shown, str):
                    yield shown, talk
                else:
                    talk, exchange = await run_in_threadpool(_remember, backend, talk, question, shown)
                    yield render.answer_markdown(shown, question, exchange), talk
    except RagError as error:
        yield render.note(error.message, warn=True), talk


def _remember(backend: Backend, talk: str, question: str, answer: Answer) -> tuple[str, str]:
    """Store the answer; if its conversation was deleted in the meantime, start a new one."""
    store = backend.conversations
    try:
        exchange = store.add(talk or store.start(question).id, question, answer)
    except ConversationNotFound:
        talk = store.start(question).id
        exchange = store.add(talk, question, answer)
    return exchange.conversation_id, exchange.id


def _history(backend: Backend, talk: str, until: str = "") -> list[tuple[str, str]]:
    """The conversation so far, which a follow-up question refers to.

    When a question is asked again, this is the conversation before its first answer.
    """
    exchanges = list(takewhile(lambda one: one.id != until, _exchanges(backend, talk)))
    return [(one.question, one.answer.answer) for one in exchanges[-_REMEMBERED:]]


def _question_of(backend: Backend, talk: str, exchange: str) -> str:
    """The question of an exchange; empty when it was deleted."""
    return next((one.question for one in _exchanges(backend, talk) if one.id == exchange), "")


def _asking(backend: Backend, talk: str, question: str, kept: Kept) -> Messages:
    """The chat while a question waits for its answer."""
    return [
        *talks.messages(_exchanges(backend, talk), kept),
        {"role": "user", "content": render.question_markdown(question)},
    ]


def _exchanges(backend: Backend, talk: str) -> Sequence[Exchange]:
    try:
        return backend.conversations.get(talk).exchanges if talk else ()
    except ConversationNotFound:
        return ()


async def _written(
    events: AsyncIterator[AnswerEvent | Waiting], question: str
) -> AsyncIterator[str | Answer]:
    """Yield what to show until the answer is complete: the quotes, then the model's text as it arrives."""
    yield render.note("Searching your documents…")
    quotes, switched, written, shown_at = "", "", "", 0.0
    try:
        async for event in events:
            match event:
                case Retrieved():
                    quotes = render.quotes(event.quotes, question)
                    if event.needs_model:
                        yield render.parts(quotes, render.note("Reading…"))
                case Waiting(ahead=0):  # it is this question's turn
                    yield render.parts(quotes, render.note(f"{switched}Reading…"))
                case Waiting(ahead=ahead, seconds=seconds):
                    before = f"{count(ahead, 'question')} before yours, about {seconds:.0f} s…"
                    yield render.parts(quotes, render.note(before))
                case Reading(passages=passages, seconds=seconds):
                    yield render.parts(quotes, render.note(f"{switched}{_reading(passages, seconds)}"))
                case Token(text=piece):
                    written += piece
                    if time.monotonic() - shown_at > _SHOW_EVERY_SECONDS:
                        yield render.parts(quotes, render.model_markdown(written))
                        shown_at = time.monotonic()
                case Switched(model=model, host=host):
                    written = ""
                    switched = f"Now asking {named(model, host)}. "
                    yield render.parts(quotes, render.note(f"{switched}Reading…"))
                case Done(answer=answer):
                    log_answer(answer)
                    yield answer
    except RagError as error:
        # The quotes from the documents stay on the page when no model is available.
        yield render.parts(quotes, render.note(error.message, warn=True))


def _reading(passages: int, seconds: float | None) -> str:
    """What the model reads before its first word, and about how long that takes."""
    what = f"Reading {count(passages, 'passage')}"
    return f"{what}…" if seconds is None else f"{what}, about {max(1, round(seconds))} s…"
