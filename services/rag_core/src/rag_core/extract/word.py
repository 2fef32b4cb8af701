"""DOCX by python-docx: headings by style, tables as Markdown, pages as Word last laid them out.

The text is what Word shows with all changes accepted, including insertions, content controls, text boxes,
notes, comments, automatic numbers, charts and embedded files; headers and footers once; no deletions, and no
table of contents, which only repeats the headings.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from docx.opc.part import PartFactory
from docx.package import Package
from docx.parts.document import DocumentPart

from rag_core.extract import archive, strict
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Picture,
    Unreadable,
    blocks,
    tables,
)
from rag_core.extract.charts import chart, diagram, parsed
from rag_core.extract.embedded import embedded, linked
from rag_core.extract.running import RunningLines
from rag_core.extract.word_styles import Styles
from rag_core.extract.word_xml import (
    BOX,
    NOTES,
    RUBY,
    WHOLE,
    cells,
    inside,
    notes,
    page_breaks,
    reading,
    rows,
    text,
    w,
)

# Files with macros and templates (.docm, .dotx, .dotm) have the same content under types python-docx refuses.
_ALIKE = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_ALIKE, DocumentPart))
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PARTS = {"footnote": Part.NOTE, "endnote": Part.NOTE, "comment": Part.COMMENT}


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of a DOCX; `read` gives the blocks of files within it."""
    archive.check(path, "Word file")
    with strict.opened(path) as file:
        yield from document(file, read)


def document(file: IO[bytes], read: Reader) -> Iterator[Item]:
    """Head and blocks of an open DOCX."""
    package: Any = Package.open(file)
    found = package.main_document_part.document
    body = _Body(found, read)
    yield Head(title=(found.core_properties.title or "").strip(), pages=1 + page_breaks(found.element.body))
    empty = True
    for item in body.items():
        empty = empty and not isinstance(item, Block)
        yield item
    if empty:
        raise Unreadable("no_text", "the Word file holds no text")


class _Body:
    """The document's text, with headers and footers once."""

    def __init__(self, document: Any, read: Reader) -> None:
        self._document = document
        self._read = read
        self._styles = Styles(document.part)
        self._notes = {name: notes(document.part, name) for name in NOTES}
        self._running = RunningLines()
        self._part = document.part  # the part whose relations the current element refers to

    def items(self) -> Iterator[Item]:
        """Yield everything in reading order."""
        yield from self._headers("header")
        page = 1
        for element, shown in inside(self._document.element.body):
            # A break inside a paragraph comes before most of its text far more often than after it.
            page += page_breaks(element)
            if shown:
                yield from self._element(element, page)
        yield from self._headers("footer")

    def _element(self, element: Any, page: int) -> Iterator[Item]:
        beside: list[Any] = []
        yield from self._words(element, beside, page)
        if readings := " ".join(filter(None, (reading(one) for one in beside if one.tag == RUBY))):
            yield from blocks(BlockKind.TEXT, f"Readings: {readings}", page)
        for one in beside:
            yield from self._beside(one, page)

    def _words(self, element: Any, beside: list[Any], page: int) -> Iterator[Item]:
        if element.tag in WHOLE:
            yield from self._inner(element.get(f"{_RELATION}id"), page)
        elif element.tag == w("tbl"):
            yield Note(Part.TABLE)
            yield from tables(
                ([self._cell(cell, beside) for cell in cells(row)] for row in rows(element)), page
            )
        else:
            yield from self._paragraph(element, beside, page)

    def _paragraph(self, element: Any, beside: list[Any], page: int) -> Iterator[Item]:
        content = text(element, beside)
        if not content.strip():
            return
        content = self._styles.label(element) + content.strip("\n")
        level = self._styles.heading(element)
        yield from blocks(BlockKind.HEADING if level else BlockKind.TEXT, content, page, level)

    def _cell(self, cell: Any | None, beside: list[Any]) -> str:
        """Return a cell's text; empty for None (covered by a merged cell). Nested tables become words."""
        if cell is None:
            return ""
        content = []
        for element, shown in inside(cell):
            if shown and element.tag == w("tbl"):
                content += [self._cell(one, beside) for row in rows(element) for one in cells(row)]
            elif shown and element.tag in WHOLE:
                beside.append(element)
            elif shown and element.tag == w("p"):
                words = text(element, beside)
                content.append(self._styles.label(element) + words if words.strip() else "")
        return "\n".join(filter(None, content))

    def _beside(self, one: Any, page: int) -> Iterator[Item]:
        """Yield what a paragraph contains beside its text."""
        name = str(one.tag).rpartition("}")[2]
        if one.tag == BOX:
            yield Note(Part.TEXT_BOX)
            for part, shown in inside(one):
                if shown:
                    yield from self._element(part, page)
        elif name == "docPr":
            yield from self._drawn(one, page)
        elif name == "imagedata":
            yield from self._image(one, page)
        elif name == "chart":
            yield from chart(self._blob(one.get(f"{_RELATION}id")), page)
        elif name == "relIds":
            yield from diagram(self._blob(one.get(f"{_RELATION}dm")), page)
        elif name == "control":
            message = f"page {page}: a form control (ActiveX), whose value is not read"
            yield Note(Part.FORM_FIELD, read=False, message=message)
        elif name == "OLEObject" or one.tag in WHOLE:
            yield from self._inner(one.get(f"{_RELATION}id"), page)
        else:
            yield from self._note(one, page)

    def _drawn(self, about: Any, page: int) -> Iterator[Item]:
        """Yield pictures, or a chart or a shape with words of its own."""
        found = [one.get(f"{_RELATION}embed") for one in about.getparent().iter("{*}blip")]
        if found:
            yield from self._pictures(found, about.get("descr"), page)

    def _image(self, data: Any, page: int) -> Iterator[Item]:
        """Yield a picture in the older format (VML), which may be the preview of an embedded file."""
        shape = data.getparent()
        if shape.getparent() is None or shape.getparent().find("{*}OLEObject") is None:
            yield from self._pictures([data.get(f"{_RELATION}id")], shape.get("alt"), page)

    def _pictures(self, relations: list[str | None], description: str | None, page: int) -> Iterator[Item]:
        text = str(description or "").strip()
        text = "" if text.startswith("C:\\") else text
        yield from blocks(BlockKind.TEXT, f"Picture: {text}" if text else "", page)
        for relation in relations:
            yield Picture(self._blob(relation), page, described=bool(text))

    def _note(self, reference: Any, page: int) -> Iterator[Item]:
        for name, found in self._notes.items():
            remark = found.get(reference.get(w("id")))
            if reference.tag != w(f"{name}Reference") or remark is None:
                continue
            if remark.text:
                yield Note(_PARTS[name])
                yield from blocks(BlockKind.TEXT, remark.text, page)
            before, self._part = self._part, remark.part
            for one in remark.beside:
                yield from self._beside(one, page)
            self._part = before

    def _headers(self, kind: str) -> Iterator[Item]:
        """Yield each header or footer that says more than the page number, once."""
        for relation in self._document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(f"/{kind}"):
                continue
            root = parsed(relation.target_part.blob)
            if root is None:
                yield Note(Part.TEXT, read=False, message=f"a {kind} that is damaged")
                continue
            beside: list[Any] = []
            text = self._cell(root, beside).split()
            if self._running.new(" ".join(text)):
                yield from blocks(BlockKind.TEXT, " ".join(text), 1)
            self._part = relation.target_part
            for one in beside:
                yield from (item for item in self._beside(one, 1) if self._is_new(item))
            self._part = self._document.part

    def _is_new(self, item: Item) -> bool:
        return not isinstance(item, Block) or self._running.new(item.text)

    def _blob(self, relation: str | None) -> bytes:
        found = self._part.rels.get(relation or "")
        return b"" if found is None or found.is_external else bytes(found.target_part.blob)

    def _inner(self, relation: str | None, page: int) -> Iterator[Item]:
        """Yield another file embedded in this one, or linked to it."""
        found = self._part.rels.get(relation or "")
        if found is None:
            return
        if found.is_external:
            yield from linked(str(found.target_ref))
            return
        name = PurePosixPath(str(found.target_part.partname)).name
        yield from embedded(bytes(found.target_part.blob), name, self._read, page)
