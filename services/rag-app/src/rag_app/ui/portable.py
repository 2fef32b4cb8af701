"""Turns text of documents, models and people into Markdown that is inert in any viewer.

Viewers differ: many turn bare URLs into links, render mathematics or have syntax of their own. So every
character that some Markdown dialect interprets is escaped, and what looks like a URL is written as code,
which is never interpreted.
"""

import re
from collections.abc import Callable, Sequence

from markdown_it.tree import SyntaxTreeNode

from rag_app.ui.formatting import printable
from rag_app.ui.markup import CITE, marks, parse

_SIGN = re.compile(r"([\\`*_\[\]<>#|~$^&{}!=@])")
# A URL, the name of a host or file, or the start of mathematics, which a page's script may render.
_LIVE = re.compile(r"://|@|\\|\$\$|[^\W_]\.[^\W\d_]{2}")
_BEFORE, _AFTER = "([\"'“\u2018„«", ")]\"'”\u2019»,;:!?.…"
_LINE_START = re.compile(r"^(\d{1,9}(?=[.)])|(?=[-+:%]))", re.MULTILINE)
_ESCAPED = r"\\\1"
# A bar ends a table cell, even inside code.
_BAR = re.compile(r"\\?\|")
_HEADINGS_BELOW = 2


def one_line(text: str) -> str:
    """Text on one line, escaped so that it reads as it was written."""
    return _lines(_escaped(" ".join(text.split())))


def markdown(written: str) -> str:
    """A model's Markdown reduced to inert blocks: headings, paragraphs, quotes, lists, tables and code."""
    return _blocks(SyntaxTreeNode(parse(written)))


def _escaped(text: str) -> str:
    """Escape the text; runs of whitespace become one space, also at both ends."""
    text = re.sub(r"\s+", " ", printable(text))
    return " ".join(_word(word) for word in text.split(" "))


def _word(word: str) -> str:
    # A backtick stays outside of code, so that code spans end where they appear to end.
    return "\\`".join(_part(part) for part in word.split("`"))


def _part(word: str) -> str:
    if not _LIVE.search(word):
        return _SIGN.sub(_ESCAPED, word)
    live = word.lstrip(_BEFORE)
    before = word[: len(word) - len(live)]
    live = live.rstrip(_AFTER)
    after = word[len(before) + len(live) :]
    return _SIGN.sub(_ESCAPED, before) + _code(live) + _SIGN.sub(_ESCAPED, after)


def _code(text: str) -> str:
    fence = "`" * (_longest_run(text) + 1)
    padded = text.startswith(("`", " ")) or text.endswith(("`", " "))
    room = " " if padded and text.strip() else ""
    return f"{fence}{room}{text}{room}{fence}" if text else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _lines(text: str) -> str:
    """Escape what would turn a line into a list, a rule or another block."""
    return _LINE_START.sub(r"\g<1>\\", text)


def _blocks(node: SyntaxTreeNode) -> str:
    return "\n\n".join(block for child in node.children if (block := _block(child)))


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "heading":
            signs = "#" * min(6, int(node.tag[1:]) + _HEADINGS_BELOW)
            return f"{signs} {_inline(node, between=' ')}"
        case "blockquote":
            return _indented(_blocks(node), "> ", "> ")
        case "bullet_list":
            return _list(node, lambda _: "- ")
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            return _list(node, lambda place: f"{first + place}. ")
        case "fence" | "code_block":
            # Without the language: some viewers render blocks of `mermaid` or `math`.
            fence = "`" * max(3, _longest_run(node.content) + 1)
            return f"{fence}\n{_code_lines(node.content)}\n{fence}"
        case "hr":
            return "***"
        case "table":
            return _table(node)
    return _inline(node)


def _code_lines(content: str) -> str:
    return "\n".join(printable(line.replace("\t", "    ")) for line in content.removesuffix("\n").split("\n"))


def _list(node: SyntaxTreeNode, sign: Callable[[int], str]) -> str:
    items = []
    for place, item in enumerate(node.children):
        begin = sign(place)
        items.append(_indented(_blocks(item), begin, " " * len(begin)))
    return "\n".join(items)


def _indented(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{rest if number else first}{line}".rstrip() for number, line in enumerate(lines))


def _table(node: SyntaxTreeNode) -> str:
    rows = [
        [_BAR.sub(r"\|", _inline(cell, between=" ")) for cell in row.children]
        for part in node.children
        for row in part.children
    ]
    head, *body = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([head, f"|{' --- |' * len(rows[0])}", *body])


def _inline(node: SyntaxTreeNode, *, between: str = "\n") -> str:
    lines = [line.strip() for line in _spans(node.children).split("\n")]
    return _lines(between.join(lines)).strip()


def _spans(nodes: Sequence[SyntaxTreeNode]) -> str:
    written = ""
    for node in nodes:
        span = _span(node)
        # The backticks of two adjacent code spans would be read as one longer run.
        written += f" {span}" if written.endswith("`") and span.startswith("`") else span
    return written


def _span(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text":
            return _escaped(node.content)
        case "code_inline":
            return _code(printable(node.content))
        case "softbreak" | "hardbreak":
            return "\n"
        case "strong":
            return f"**{_spans(node.children)}**"
        case "em":
            return f"*{_spans(node.children)}*"
        case "s":
            return f"~~{_spans(node.children)}~~"
    if node.type == CITE:
        return f"\\[{', '.join(marks(node.content))}\\]"
    return _spans(node.children) if node.children else _escaped(node.content)
