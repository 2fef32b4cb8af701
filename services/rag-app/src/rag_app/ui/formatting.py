"""Turns text from documents, models and users into inert HTML.

The output goes into a Gradio component: in the chat as Markdown, elsewhere as the value of
gr.HTML, whose template engine would run any `${...}` and `{{...}}` in it.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from html import escape

from rag_core.text.words import tokens, words

_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;"})
_LINK = str.maketrans({"[": "&#91;", "]": "&#93;", "!": "&#33;"})
_ADDRESS = re.compile(r"(?i)(\bwww)\.|:(?=//)|(?<=mailto):")
# Control characters, and those that some programs treat as the end of a line.
_BLANK = {"Cc", "Zl", "Zp"}
# Placeholders for <mark> and </mark> until the text around them is escaped.
_ON, _OFF = "\x02", "\x03"
_COPIES_NAMED = 5


def text(value: str) -> str:
    """Plain text for gr.HTML."""
    return escape(value, quote=True).translate(_TEMPLATE)


def inert(escaped: str) -> str:
    """Escape links, images and bare URLs, which Markdown would make clickable."""
    spelled = _ADDRESS.sub(lambda found: f"{found[1]}&#46;" if found[1] else "&#58;", escaped)
    return spelled.translate(_LINK)


def printable(value: str) -> str:
    """Text without control characters and line separators: a blank line would end an HTML block."""
    return "".join(" " if unicodedata.category(character) in _BLANK else character for character in value)


def one_line(value: str) -> str:
    """Plain text for a line of the chat."""
    return _line(printable(value))


def _line(value: str) -> str:
    return inert(escape(" ".join(value.split()), quote=True))


def lines(value: str, terms: Collection[str] = ()) -> str:
    """Plain text of several lines for the chat; words that share a stem with `terms` are marked."""
    known = frozenset(terms)

    def line(raw: str) -> str:
        bare = printable(raw)
        return _line(_marked(bare, known) if known else bare)

    shown = "<br>".join(line(raw) for raw in value.strip().splitlines())
    return shown.replace(_ON, "<mark>").replace(_OFF, "</mark>")


def _marked(line: str, terms: frozenset[str]) -> str:
    """Mark matching words; overlapping pairs of characters (Chinese, Japanese, Korean) form one mark."""
    marked, at, end = "", 0, 0
    for word, start, stop in tokens(line):
        if words(word) & terms:
            # Extend the last mark when this word starts before that mark ends.
            marked = marked[: -len(_OFF)] if start < end else f"{marked}{line[at:start]}{_ON}"
            marked += f"{line[max(start, end) : stop]}{_OFF}"
            at = end = stop
    return marked + line[at:]


def pages(start: int, end: int) -> str:
    """The pages of a passage, for people."""
    return f"page {start}" if start == end else f"pages {start}-{end}"


def copies(names: Sequence[str]) -> str:
    """Which other documents contain the same passage; at most the first few are named."""
    shown, more = names[:_COPIES_NAMED], len(names[_COPIES_NAMED:])
    return f"The same passage is also in {', '.join([*shown, *([f'{more} more'] if more else [])])}."


def named(model: str | None, host: str | None, *, nobody: str = "no model") -> str:
    """A model, and the host its input was sent to if that is outside this server."""
    if model is None:
        return nobody
    return f"{model} at {host}, outside this server" if host else model


def count(number: int, noun: str) -> str:
    """A number with its noun, plural when needed."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """A human-readable file size."""
    if number < 1024 * 1024:
        return f"{max(1, round(number / 1024))} kB"
    return f"{number / (1024 * 1024):.1f} MB"


def ago(when: datetime) -> str:
    """How long ago, in the coarsest useful unit."""
    seconds = max(0.0, (datetime.now(UTC) - when).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        units = int(seconds // length)
        if units:
            return f"{count(units, unit)} ago"
    return "just now"
