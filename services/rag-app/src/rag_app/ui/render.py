"""An answer as the chat shows it: Markdown in which only what stands here is HTML."""

import re
from collections.abc import Sequence
from html import escape

from rag_app.ui import why
from rag_app.ui.plain import inert, lines, one_line, pages
from rag_core.models import Answer, Citation, Passage, SentenceSupport
from rag_core.words import words

_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_MARK = re.compile(r"\[(\d{1,2}(?:\s*,\s*\d{1,2})*)\]")
_WORD = re.compile(r"[^\W\d_]{2}")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)
_LINE_MARK = re.compile(r"\s*(?:(?:[-*+>]|#{1,6}|\d{1,3}[.)])\s+)*")

# What the answer does not say itself; for the other reasons it does.
REASONS = {
    "fallback_model": "The first model did not answer in time; the smaller one did.",
    "cut_by_length": "The answer reached its length limit and was cut.",
    "cut_by_time": "The answer took too long and was cut.",
    "cut_by_repetition": "The model repeated itself and was stopped.",
}


def model_markdown(written: str) -> str:
    """A model's text as Markdown without HTML, links or images; [1] becomes a mark to click.

    A document may tell the model to write an image whose address carries what was asked away.
    """
    parts = _CODE.split(written)
    return "".join(part if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(part: str) -> str:
    pieces = _MARK.split(part)
    shown = []
    for index, piece in enumerate(pieces):
        if index % 2:
            shown += [_cite(number.strip()) for number in piece.split(",")]
        else:
            shown.append(inert(escape(piece, quote=False)))
    return "".join(shown)


def _cite(number: str) -> str:
    # Gradio's sanitiser keeps classes, values and titles, and drops data and aria attributes.
    return f'<button class="rd-cite" value="{number}" title="Read source {number}">{number}</button>'


def answer_markdown(answer: Answer, question: str = "", exchange: str = "") -> str:
    """The finished message: answer, what to know about it, its sources, why it is this one."""
    body = _body(answer)
    parts = [body + _closing(body)]
    if answer.reason in REASONS:
        parts.append(note(REASONS[answer.reason], warn=True))
    if any(not sentence.citations for sentence in _judged(answer)):
        parts.append(note("Sentences marked ? are not wholly supported by any passage: do not rely on them."))
    if answer.citations:
        parts.append(_sources("Sources", [_citation(one, question) for one in answer.citations]))
    elif answer.passages:
        shown = [_passage(number, one, question) for number, one in enumerate(answer.passages, start=1)]
        parts.append(_sources("Nearest passages", shown))
    parts.append(why.panel(answer))
    parts.append(_foot(answer, exchange))
    return "\n\n".join(part for part in parts if part)


def _closing(markdown: str) -> str:
    """What ends a block of code that a model left open; else all that follows would be code (CommonMark)."""
    opened = ""
    for found in _FENCE.finditer(markdown):
        marks, rest = found.groups()
        if not opened:
            opened = "" if marks[0] == "`" and "`" in rest else marks
        elif marks.startswith(opened) and not rest.strip():
            opened = ""
    return f"\n{opened}" if opened else ""


def _body(answer: Answer) -> str:
    """The text with its marks; a sentence that nothing supports is told apart."""
    written = answer.answer.strip()
    code = [found.span() for found in _CODE.finditer(written)]
    shown, at = [], 0
    for sentence in _judged(answer):
        start = written.find(sentence.text, at)
        end = start + len(sentence.text)
        if start < 0 or any(start < stop and begin < end for begin, stop in code):
            continue
        if sentence.citations:
            shown.append(model_markdown(written[at:end]))
        else:
            # A list's dash or a heading's # must stay at the beginning of its line.
            start += len(_LINE_MARK.match(sentence.text)[0])  # type: ignore[index]
            doubted = f'<span class="rd-unsupported">{model_markdown(written[start:end])}</span>'
            mark = '<sup class="rd-doubt" title="No passage supports all of this sentence">?</sup>'
            shown += [model_markdown(written[at:start]), doubted, mark]
        at = end
    shown.append(model_markdown(written[at:]))
    return "".join(shown)


def _judged(answer: Answer) -> Sequence[SentenceSupport]:
    """The sentences a model wrote; what we say ourselves is not in doubt, nor is a list's bare number."""
    return [one for one in answer.sentences if _WORD.search(one.text)] if answer.model else []


def _foot(answer: Answer, exchange: str) -> str:
    facts = [answer.model or "no model", f"{answer.timings.total:.1f} s"]
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
    """A line beside the answer that is ours, not the model's."""
    return f'<div class="rd-note{" rd-warn" if warn else ""}">{escape(words)}</div>'


def _sources(title: str, items: Sequence[str]) -> str:
    return f'<div class="rd-sources"><div class="rd-title">{title}</div>{"".join(items)}</div>'


def _citation(one: Citation, question: str) -> str:
    span = (one.page_start, one.page_end)
    return _source(one.number, (one.document_id, one.document, one.title), span, one.passage, question)


def _passage(number: int, one: Passage, question: str) -> str:
    span = (one.page_start, one.page_end)
    return _source(number, (one.document_id, one.document, one.title), span, one.text, question)


def _source(
    number: int, document: tuple[str, str, str], span: tuple[int, int], passage: str, question: str
) -> str:
    # One line without a blank one in it: Markdown then leaves the whole block alone.
    identity, name, title = document
    heading = f'<span class="rd-heading">{one_line(title)}</span>' if title else ""
    place = f"{one_line(identity)}/{span[0]}/{span[1]}"
    return (
        f'<details class="rd-source rd-n{number}"><summary><span class="rd-number">{number}</span>'
        f'<span class="rd-where"><b>{one_line(name)}</b>, {pages(*span)}</span></summary>'
        f"{heading}<blockquote tabindex='0'>{lines(passage, words(question))}</blockquote>"
        f'<button class="rd-open" value="{place}">Read it in the document</button></details>'
    )
