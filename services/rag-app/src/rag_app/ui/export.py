"""Exports a conversation as Markdown in which everything quoted is inert text."""

from datetime import datetime

from rag_app.ui import portable
from rag_app.ui.formatting import copies, named, pages
from rag_app.ui.portable import one_line
from rag_app.ui.render import reasons
from rag_core.ledger.conversations import Conversation, Exchange
from rag_core.models import Citation
from rag_core.text.cutting import shortened

_LONGEST_QUOTE = 600


def markdown(conversation: Conversation) -> str:
    """The whole conversation with its sources."""
    head = f"# {one_line(conversation.title)}\n\nAsked of Ragdock, {_when(conversation.created_at)}.\n"
    return "\n".join([head, *(_exchange(one) for one in conversation.exchanges)])


def _exchange(one: Exchange) -> str:
    answer = one.answer
    parts = [f"## {one_line(one.question)}", portable.markdown(answer.answer)]
    parts += [f"_{one_line(reason)}_" for reason in reasons(answer)]
    doubted = [sentence.text for sentence in answer.sentences if not sentence.citations]
    if answer.model and doubted:
        listed = "\n".join(f"- {one_line(sentence)}" for sentence in doubted)
        parts.append(f"No passage supports, or not wholly:\n\n{listed}")
    if answer.citations:
        parts.append(
            "Sources:\n\n"
            + "\n".join(
                f"{cited.number}. {one_line(cited.document)}, {pages(cited.page_start, cited.page_end)}:"
                f" {_quote(cited.passage)}{_also(cited)}"
                for cited in answer.citations
            )
        )
    facts = [one_line(named(answer.model, answer.host)), f"{answer.timings.total:.1f} s", _when(one.asked_at)]
    parts.append(f"_{', '.join(facts)}_")
    return "\n\n".join(parts) + "\n"


def _also(cited: Citation) -> str:
    return f" {one_line(copies(cited.also_in))}" if cited.also_in else ""


def _quote(passage: str) -> str:
    line = " ".join(passage.split())
    # Cut before escaping: cutting inside an escape would leave its character unescaped.
    return f"“{one_line(shortened(line, _LONGEST_QUOTE))}”"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
