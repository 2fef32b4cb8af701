"""Renders an answer for the chat: one-line HTML blocks, which the browser's Markdown leaves unchanged."""

import re
from collections.abc import Sequence

from rag_app.ui import markup, why
from rag_app.ui.formatting import copies, lines, named, one_line, pages
from rag_core.models import Answer, Citation, Passage, Quote, SentenceSupport
from rag_core.text.words import words

_WORD = re.compile(r"[^\W\d_]{2}")

# Reasons that the answer's text does not state.
REASONS = {
    "fallback_model": "The first model did not answer in time; the smaller one did.",
    "cut_by_length": "The answer reached its length limit and was cut.",
    "cut_by_time": "The answer took too long and was cut.",
    "cut_by_repetition": "The model repeated itself and was stopped.",
}


def reasons(answer: Answer) -> list[str]:
    """Why the answer is incomplete or degraded, unless its text already says so."""
    # The remarks on remote models say more than that another model answered.
    explained = answer.remarks and answer.reason == "fallback_model"
    known = REASONS.get(answer.reason or "")
    return [*answer.remarks, *([known] if known and not explained else [])]


def model_markdown(written: str) -> str:
    """A model's text as one HTML block; [1] becomes a clickable mark.

    Images are not rendered: a document may make the model write one whose URL leaks the question.
    """
    return _block(markup.html(written))


def question_markdown(question: str) -> str:
    """The question, as it was typed."""
    return _block(f"<p>{lines(question)}</p>")


def _block(html: str) -> str:
    return f'<div class="rd-said">{html}</div>'


def answer_markdown(answer: Answer, question: str = "", exchange: str = "") -> str:
    """The finished message: answer, notes, sources and an explanation of how it was made."""
    judged = [(one.text, not one.citations) for one in _judged(answer)]
    shown = [_block(markup.html(answer.answer.strip(), judged))]
    shown += [note(reason, warn=True) for reason in reasons(answer)]
    if any(in_doubt for _, in_doubt in judged):
        shown.append(note("Sentences marked ? are not wholly supported by any passage: do not rely on them."))
    if answer.citations:
        shown.append(_sources("Sources", [_citation(one, question) for one in answer.citations]))
    elif answer.passages:
        nearest = [_passage(number, one, question) for number, one in enumerate(answer.passages, start=1)]
        shown.append(_sources("Nearest passages", nearest))
    return parts(*shown, why.panel(answer), _foot(answer, exchange))


def parts(*blocks: str) -> str:
    """Join the blocks of one message, leaving out empty ones."""
    return "\n\n".join(block for block in blocks if block)


def quotes(found: Sequence[Quote], question: str) -> str:
    """Sentences quoted from the documents, with their locations; shown until the answer is complete."""
    return _sources("From your documents", [_quote(one, question) for one in found]) if found else ""


def _quote(one: Quote, question: str) -> str:
    where = f"<b>{one_line(one.document)}</b>, {pages(one.page_start, one.page_end)}"
    return (
        f'<div class="rd-quote"><blockquote>{lines(one.text, words(question))}</blockquote>'
        f'<span class="rd-where">{where}</span>'
        f'<button class="rd-open" value="{_place(one)}">Read it in the document</button></div>'
    )


def _judged(answer: Answer) -> Sequence[SentenceSupport]:
    """The sentences that a model wrote, without our own notes and bare list numbers."""
    return [one for one in answer.sentences if _WORD.search(one.text)] if answer.model else []


def _foot(answer: Answer, exchange: str) -> str:
    facts = [named(answer.model, answer.host), f"{answer.timings.total:.1f} s"]
    pills = ['<span class="rd-pill rd-failed">degraded</span>'] if answer.degraded else []
    if answer.cached:
        pills.append('<span class="rd-pill" title="Asked before, and nothing has changed">remembered</span>')
        if exchange:
            title = "Search and write once more, without what is remembered"
            pills.append(
                f'<button class="rd-again" value="{one_line(exchange)}" title="{title}">Ask again</button>'
            )
    return (
        f'<div class="rd-foot rd-x-{one_line(exchange)}">'
        '<button class="rd-copy" title="Copy the answer and its sources">Copy</button>'
        f'{"".join(pills)}<span class="rd-meta">{one_line(" · ".join(facts))}</span></div>'
    )


def note(words: str, *, warn: bool = False) -> str:
    """A note from the app, shown beside the model's answer."""
    return f'<div class="rd-note{" rd-warn" if warn else ""}">{one_line(words)}</div>'


def _sources(title: str, items: Sequence[str]) -> str:
    return f'<div class="rd-sources"><div class="rd-title">{title}</div>{"".join(items)}</div>'


def _citation(one: Citation, question: str) -> str:
    return _source(one.number, one, one.passage, question)


def _passage(number: int, one: Passage, question: str) -> str:
    return _source(number, one, one.text, question)


def _source(number: int, one: Citation | Passage, passage: str, question: str) -> str:
    # On a single line, so that Markdown leaves the whole block unchanged.
    span = (one.page_start, one.page_end)
    heading = f'<span class="rd-heading">{one_line(one.title)}</span>' if one.title else ""
    also = f'<span class="rd-also">{one_line(copies(one.also_in))}</span>' if one.also_in else ""
    return (
        f'<details class="rd-source rd-n{number}"><summary><span class="rd-number">{number}</span>'
        f'<span class="rd-where"><b>{one_line(one.document)}</b>, {pages(*span)}</span></summary>'
        f"{heading}<blockquote tabindex='0'>{lines(passage, words(question))}</blockquote>{also}"
        f'<button class="rd-open" value="{_place(one)}">Read it in the document</button></details>'
    )


def _place(one: Citation | Passage | Quote) -> str:
    return f"{one_line(one.document_id)}/{one.page_start}/{one.page_end}"
