"""HTML by BeautifulSoup and lxml: headings, paragraphs, lists, listings and tables of the page's own text."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from bs4.element import CData, NavigableString

from rag_core.extract.blocks import Block, BlockKind, Head, Item, Unreadable, blocks, tables

_DROPPED = [
    "script",
    "style",
    "noscript",
    "template",
    "nav",
    "svg",
    "iframe",
    "object",
    "form",
    "button",
    "select",
]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_BOUNDARIES = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
    "figcaption", "figure", "footer", "header", "hr", "li", "main", "ol", "p", "section", "summary", "table",
    "tr", "ul",
}  # fmt: skip
_TEXT = {NavigableString, CData}
# Marks put into the text where a block begins; no text can hold them, control characters are cleaned away.
_MARK = "\x00"
_KINDS = {"T": BlockKind.TEXT, "G": BlockKind.TABLE, "C": BlockKind.CODE}


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of an HTML file; it has one page."""
    title, found = read(path.read_bytes(), 1)
    yield Head(title=title, pages=1)
    empty = True
    for block in found:
        empty = False
        yield block
    if empty:
        raise Unreadable("no_text", "the page holds no text of its own; scripts may draw it in a browser")


def read(markup: bytes | str, page: int) -> tuple[str, Iterator[Block]]:
    """The title of a page of HTML and its blocks."""
    with warnings.catch_warnings():
        # XHTML is HTML with an XML declaration; the HTML parser reads it as browsers do.
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(markup, "lxml")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for dropped in soup.find_all([*_DROPPED, "title"]):
        dropped.decompose()
    _mark(soup)
    text = _text(soup)
    soup.decompose()
    return title, (block for piece in text.split(_MARK) for block in _piece(piece, page))


def _mark(soup: BeautifulSoup) -> None:
    """Put the text of listings, tables and headings in their place, between marks, for one flat walk."""
    for line_break in soup.find_all("br"):
        line_break.replace_with(NavigableString("\n"))
    for pre in soup.find_all("pre"):
        _replace(pre, "C", pre.get_text())
    for table in soup.find_all("table"):
        if table.find("table") is None:  # a table of tables is layout
            rows = [[_inline(cell) for cell in row.find_all(["td", "th"])] for row in table.find_all("tr")]
            if any(len(row) > 1 for row in rows) and not table.find("pre"):
                parts = [block.text for block in tables(rows, 1)]
                _replace(table, "G", f"{_MARK}G".join(parts), marked=True)
    for heading in soup.find_all(_HEADINGS):
        _replace(heading, heading.name[1], _inline(heading))


def _text(soup: BeautifulSoup) -> str:
    """All text in order, marked where a block begins or ends: in one walk, so that depth costs nothing."""
    written: list[str] = []
    around: list[Tag] = [soup]
    for node in soup.descendants:
        while around[-1] is not node.parent:
            if around.pop().name in _BOUNDARIES:
                written.append(f"{_MARK}T")
        if isinstance(node, Tag):
            around.append(node)
            if node.name in _BOUNDARIES:
                written.append(f"{_MARK}T{'- ' if node.name == 'li' else ''}")
        elif type(node) in _TEXT:  # comments and the like are kinds of their own
            written.append(str(node))
    return "".join(written)


def _replace(tag: Tag, kind: str, text: str, *, marked: bool = False) -> None:
    text = text if marked else text.replace(_MARK, " ")
    tag.replace_with(NavigableString(f"{_MARK}{kind}{text}{_MARK}T"))


def _inline(tag: Tag) -> str:
    return re.sub(r"\s+", " ", tag.get_text()).replace(_MARK, " ").strip()


def _piece(piece: str, page: int) -> Iterator[Block]:
    kind, text = piece[:1], piece[1:]
    if kind.isdigit():
        yield from blocks(BlockKind.HEADING, text, page, int(kind))
    elif kind in _KINDS:
        if kind == "T":
            text = re.sub(r"\s+", " ", text)
            text = "" if text.strip() in {"", "-"} else text
        yield from blocks(_KINDS[kind], text, page)
