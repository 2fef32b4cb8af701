"""A conversation as Markdown, to keep or to send on."""

import re
from datetime import datetime

from rag_app.ui.plain import pages
from rag_app.ui.render import REASONS
from rag_core.conversations import Conversation, Exchange

_LONGEST_QUOTE = 600


def markdown(conversation: Conversation) -> str:
    """The whole conversation with its sources."""
    head = f"# {_line(conversation.title)}\n\nAsked of Ragdock, {_when(conversation.created_at)}.\n"
    return "\n".join([head, *(_exchange(one) for one in conversation.exchanges)])


def _exchange(one: Exchange) -> str:
    answer = one.answer
    parts = [f"## {_line(one.question)}", answer.answer.strip()]
    if answer.reason in REASONS:
        parts.append(f"_{REASONS[answer.reason]}_")
    doubted = [sentence.text for sentence in answer.sentences if not sentence.citations]
    if answer.model and doubted:
        listed = "\n".join(f"- {_line(sentence)}" for sentence in doubted)
        parts.append(f"No passage supports, or not wholly:\n\n{listed}")
    if answer.citations:
        parts.append(
            "Sources:\n\n"
            + "\n".join(
                f"{cited.number}. {_line(cited.document)}, {pages(cited.page_start, cited.page_end)}:"
                f" {_quote(cited.passage)}"
                for cited in answer.citations
            )
        )
    facts = [answer.model or "no model", f"{answer.timings.total:.1f} s", _when(one.asked_at)]
    parts.append(f"_{', '.join(facts)}_")
    return "\n\n".join(parts) + "\n"


def _quote(passage: str) -> str:
    line = _line(passage)
    return f"“{line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE].rsplit(' ', 1)[0] + ' …'}”"


def _line(value: str) -> str:
    """One line that Markdown leaves as it is."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", " ".join(value.split()))


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
