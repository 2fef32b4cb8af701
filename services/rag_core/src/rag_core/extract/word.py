"""DOCX by python-docx: headings by style, tables as Markdown, pages as Word last laid them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from rag_core.extract import archive
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Unreadable, blocks, tables

_HEADING = re.compile(r"^heading (\d)", re.I)


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a DOCX."""
    archive.check(path, "Word file")
    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise Unreadable("corrupt", f"the Word file is damaged and cannot be opened ({error})") from error
    pages = 1 + sum(1 for _ in _page_breaks(document.element.body))
    yield Head(title=(document.core_properties.title or "").strip(), pages=pages)
    page = 1
    empty = True
    for item in document.iter_inner_content():
        # A break inside a paragraph comes before most of its text far more often than after it.
        page += sum(1 for _ in _page_breaks(item._element))
        for block in _item(item, page):
            empty = False
            yield block
    if empty:
        raise Unreadable("no_text", "the Word file holds no text; pictures of text need OCR first")


def _page_breaks(element: object) -> Iterator[object]:
    yield from element.iter(qn("w:lastRenderedPageBreak"))  # type: ignore[attr-defined]
    for line_break in element.iter(qn("w:br")):  # type: ignore[attr-defined]
        if line_break.get(qn("w:type")) == "page":
            yield line_break


def _item(item: Paragraph | Table, page: int) -> Iterator[Block]:
    if isinstance(item, Table):
        yield from tables(([cell.text for cell in row.cells] for row in item.rows), page)
        return
    style = (item.style.name or "") if item.style is not None else ""
    heading = _HEADING.match(style)
    if heading or style == "Title":
        yield from blocks(BlockKind.HEADING, item.text, page, int(heading.group(1)) if heading else 1)
    else:
        marker = "- " if style.startswith("List") and item.text.strip() else ""
        yield from blocks(BlockKind.TEXT, marker + item.text, page)
