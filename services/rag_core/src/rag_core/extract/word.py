"""DOCX by python-docx: headings by style, tables as Markdown, pages as Word last laid them out.

What is read is what a person sees with all changes accepted: insertions, content controls, text boxes and
notes, too; no deletions, no header or footer, and no table of contents, which only repeats the headings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docx.opc.part import PartFactory
from docx.package import Package
from docx.parts.document import DocumentPart
from docx.text.paragraph import Paragraph

from rag_core.extract import archive, strict
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Unreadable, blocks, tables
from rag_core.extract.word_xml import BOX, NOTES, cells, inside, notes, page_breaks, rows, text, w

# Files with macros and templates (.docm, .dotx, .dotm) hold the same under names that python-docx refuses.
_ALIKE = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_ALIKE, DocumentPart))
_HEADING = re.compile(r"^heading (\d)", re.I)


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a DOCX."""
    archive.check(path, "Word file")
    with strict.opened(path) as file:
        package: Any = Package.open(file)
    document = package.main_document_part.document
    body = _Body(document)
    yield Head(
        title=(document.core_properties.title or "").strip(), pages=1 + page_breaks(document.element.body)
    )
    empty = True
    for block in body.blocks():
        empty = False
        yield block
    if empty:
        raise Unreadable("no_text", "the Word file holds no text; pictures of text need OCR first")


class _Body:
    """The document's own text, without what stands on each page alike."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._notes = {name: notes(document.part, name) for name in NOTES}

    def blocks(self) -> Iterator[Block]:
        """All of it in reading order."""
        page = 1
        for element, shown in inside(self._document.element.body):
            # A break inside a paragraph comes before most of its text far more often than after it.
            page += page_breaks(element)
            if shown:
                yield from self._element(element, page)

    def _element(self, element: Any, page: int) -> Iterator[Block]:
        beside: list[Any] = []
        if element.tag == w("tbl"):
            yield from tables(
                ([self._cell(cell, beside) for cell in cells(row)] for row in rows(element)), page
            )
        else:
            yield from self._paragraph(element, beside, page)
        for one in beside:
            if one.tag == BOX:
                for part, shown in inside(one):
                    if shown:
                        yield from self._element(part, page)
            else:
                yield from blocks(BlockKind.TEXT, self._note(one), page)

    def _paragraph(self, element: Any, beside: list[Any], page: int) -> Iterator[Block]:
        said = text(element, beside)
        style = Paragraph(element, self._document).style
        name = (style.name or "") if style is not None else ""
        heading = _HEADING.match(name)
        if heading or name == "Title":
            yield from blocks(BlockKind.HEADING, said, page, int(heading.group(1)) if heading else 1)
        else:
            marker = "- " if name.startswith("List") and said.strip() else ""
            yield from blocks(BlockKind.TEXT, marker + said, page)

    def _cell(self, cell: Any | None, beside: list[Any]) -> str:
        """The text of a cell; None is a place that a merged cell covers. A table in a cell is its words."""
        if cell is None:
            return ""
        said = []
        for element, shown in inside(cell):
            if shown and element.tag == w("tbl"):
                said += [self._cell(one, beside) for row in rows(element) for one in cells(row)]
            elif shown:
                said.append(text(element, beside))
        return "\n".join(filter(None, said))

    def _note(self, reference: Any) -> str:
        for name, found in self._notes.items():
            if reference.tag == w(f"{name}Reference"):
                said = found.get(reference.get(w("id")), "")
                return f"{name.capitalize()}: {said}" if said else ""
        return ""
