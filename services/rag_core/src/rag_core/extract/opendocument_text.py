"""Text of OpenDocument in order: paragraphs, lists, tables, notes, comments, and drawings beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from lxml import etree

from rag_core.extract.attached import Reader, unread
from rag_core.extract.blobs import decoded
from rag_core.extract.blocks import BlockKind, Item, Note, Part, Picture, blocks, tables
from rag_core.extract.embedded import embedded
from rag_core.extract.opendocument_names import (
    DRAW,
    FORM,
    LINK,
    MATH,
    OFFICE,
    PRESENTATION,
    SVG,
    TABLE,
    TEXT,
    Source,
    number,
    parsed,
)
from rag_core.extract.opendocument_numbers import LABEL
from rag_core.extract.opendocument_table import rows

_MAX_DEPTH = 3  # objects within objects
# Fields that a program updates for each page or day.
FIELDS = {
    *(
        f"{TEXT}{name}"
        for name in ("page-number", "page-count", "sheet-name", "file-name", "title", "date", "time")
    ),
    *(f"{PRESENTATION}{name}" for name in ("header", "footer", "date-time")),
}
_SILENT = {
    f"{OFFICE}event-listeners",
    f"{OFFICE}binary-data",
    f"{OFFICE}scripts",
    f"{OFFICE}annotation-end",
    f"{TEXT}tracked-changes",
    f"{TEXT}note-citation",
    f"{PRESENTATION}settings",
    f"{DRAW}enhanced-geometry",
}
_DECLARED = {f"{PRESENTATION}{name}" for name in ("header-decl", "footer-decl", "date-time-decl")}


class Flow:
    """Reads the parts of one document, or of one object in it."""

    def __init__(self, source: Source, read: Reader, folder: str = "", depth: int = 0) -> None:
        self._source = source
        self._read = read
        self._folder = folder
        self._depth = depth
        self._drawn: list[Any] = []
        self._comments = 0
        self._notes = 0

    def items(self, part: Any, page: int) -> Iterator[Item]:
        """Yield blocks and notes of a part; drawings anchored in a paragraph come after it."""
        walk = etree.iterwalk(part, events=("start",))
        for _, one in walk:
            if not isinstance(one.tag, str) or one.tag in _SILENT | _DECLARED:
                walk.skip_subtree()
                continue
            found = self._item(one, page)
            if found is not None:
                walk.skip_subtree()
                yield from found
                yield from self.beside(page)

    def words(self, part: Any, *, fields: bool = True) -> str:
        """Return a paragraph's text, including elements in it: blanks, breaks, notes, comments."""
        written: list[str] = []

        def walk(element: Any) -> None:
            written.append(element.text or "")
            for child in element:
                tag = str(child.tag)
                if tag == f"{TEXT}s":
                    written.append(" " * min(80, number(child.get(f"{TEXT}c"), 1)))
                elif tag == f"{TEXT}tab":
                    written.append("\t")
                elif tag == f"{TEXT}line-break":
                    written.append("\n")
                elif tag == f"{TEXT}note":
                    written.append(self._note(child))
                elif tag == f"{OFFICE}annotation":
                    written.append(self._comment(child))
                elif tag == f"{TEXT}ruby-text":
                    written.append(f" ({self.words(child)})")
                elif tag.startswith(DRAW) or tag == f"{TABLE}table":
                    self._drawn.append(child)
                elif isinstance(child.tag, str) and tag not in _SILENT and (fields or tag not in FIELDS):
                    if tag == f"{TEXT}p":
                        written.append("\n")
                    walk(child)
                written.append(child.tail or "")

        walk(part)
        return "".join(written).strip()

    def cell(self, cell: Any) -> str:
        """Return a cell's text in one piece; drawings in it come after the table."""
        text: list[str] = []
        for one in cell:
            if one.tag in {f"{TEXT}p", f"{TEXT}h", f"{TEXT}list"}:
                text.append(self.words(one))
            elif one.tag == f"{OFFICE}annotation":
                text.append(self._comment(one))
            elif isinstance(one.tag, str) and (one.tag.startswith(DRAW) or one.tag == f"{TABLE}table"):
                self._drawn.append(one)
        return " ".join(filter(None, map(str.strip, text)))

    def _item(self, one: Any, page: int) -> Iterator[Item] | None:
        """Read an element that is handled as a whole; None if its children are to be read instead."""
        match one.tag:
            case tag if tag == f"{TEXT}p":
                words = self.words(one)
                return blocks(BlockKind.TEXT, _marker(one) + words if words else "", page)
            case tag if tag == f"{TEXT}h":
                level = number(one.get(f"{TEXT}outline-level"), 1)
                words = self.words(one)
                return blocks(BlockKind.HEADING, _marker(one) + words if words else "", page, level)
            case tag if tag == f"{TABLE}table":
                return self._table(one, page)
            case tag if tag == f"{PRESENTATION}notes":
                return self._speaker(one, page)
            case tag if tag == f"{OFFICE}annotation":
                return blocks(BlockKind.TEXT, self._comment(one).strip(" ()"), page)
            case tag if tag == f"{DRAW}frame" and one.get(f"{PRESENTATION}class") == "title":
                text = " ".join(filter(None, map(self.words, one.iter(f"{TEXT}p"))))
                return blocks(BlockKind.HEADING, text, page, 1)
            case tag if tag == f"{DRAW}image":
                return self._picture(one, page)
            case tag if tag in {f"{DRAW}object", f"{DRAW}object-ole"}:
                return self._object(one, page)
            case tag if tag in {f"{SVG}title", f"{SVG}desc"}:
                # A picture's title is read with the picture; a shape's title is text of its own.
                pictured = one.getparent().find(f"{DRAW}image") is not None
                return blocks(BlockKind.TEXT, "" if pictured else (one.text or ""), page)
            case tag if tag == f"{DRAW}plugin":
                name = posixpath.basename(str(one.get(LINK) or ""))
                return unread(
                    name or "sound or video", "it is sound or video; add its transcript as text", page
                )
            case tag if tag == f"{MATH}math":
                return blocks(BlockKind.TEXT, _formula(one), page)
            case tag if tag.startswith(FORM):
                return _field(one, page)
        return None

    def beside(self, page: int) -> Iterator[Item]:
        """Yield the drawings within the text read so far, and the counts of its comments and notes."""
        drawn, self._drawn = self._drawn, []
        for one in drawn:
            yield from self.items(one, page)
        if self._comments:
            yield Note(Part.COMMENT, self._comments)
        if self._notes:
            yield Note(Part.NOTE, self._notes)
        self._comments = self._notes = 0

    def _table(self, table: Any, page: int) -> Iterator[Item]:
        found = list(rows(table, self.cell))
        if any(map(any, found)):
            yield Note(Part.TABLE)
            yield from tables(found, page)

    def _speaker(self, notes: Any, page: int) -> Iterator[Item]:
        text = [self.words(one, fields=False) for one in notes.iter(f"{TEXT}p")]
        if words := "\n".join(filter(None, text)):
            yield Note(Part.NOTE)
            yield from blocks(BlockKind.TEXT, f"Notes: {words}", page)

    def _note(self, note: Any) -> str:
        body = note.find(f"{TEXT}note-body")
        self._notes += body is not None
        return f" (note: {' '.join(map(self.words, body))}) " if body is not None else ""

    def _comment(self, comment: Any) -> str:
        text = " ".join(filter(None, map(self.words, comment.iter(f"{TEXT}p"))))
        who = (comment.findtext("{http://purl.org/dc/elements/1.1/}creator") or "").strip()
        self._comments += bool(text)
        return f" (comment{f' by {who}' if who else ''}: {text}) " if text else ""

    def _picture(self, image: Any, page: int) -> Iterator[Item]:
        frame = image.getparent()
        if any(frame.find(f"{DRAW}{name}") is not None for name in ("object", "object-ole", "plugin")):
            return  # only a preview of the object beside it
        text = [(frame.findtext(f"{SVG}{name}") or "").strip() for name in ("title", "desc")]
        words = ": ".join(filter(None, text))
        yield from blocks(BlockKind.TEXT, f"Picture: {words}" if words else "", page)
        yield Picture(self._stored(image), page, described=bool(words))
        for paragraph in image.iterchildren(f"{TEXT}p"):
            yield from blocks(BlockKind.TEXT, self.words(paragraph), page)

    def _stored(self, image: Any) -> bytes:
        """Return a picture as stored, inline or in a file of the archive; empty if it is only linked."""
        if written := image.findtext(f"{OFFICE}binary-data"):
            return decoded(written)
        return self._source.file(posixpath.normpath(posixpath.join(self._folder, str(image.get(LINK) or ""))))

    def _object(self, one: Any, page: int) -> Iterator[Item]:
        """Read an embedded chart, formula or document: a folder or a file of the archive, or inline."""
        name = str(one.getparent().get(f"{DRAW}name") or "an object")
        link = str(one.get(LINK) or "")
        if not link:
            inner = [body for child in one for body in child.iter(f"{OFFICE}body", f"{MATH}math")]
            for body in inner[:1]:
                yield from self._within(
                    body, Flow(self._source, self._read, self._folder, self._depth + 1), page
                )
            return
        path = posixpath.normpath(posixpath.join(self._folder, link))
        if ":" in link or path.startswith(".."):
            yield from unread(name, "it is only linked and is elsewhere; add it by itself", page)
            return
        root = parsed(self._source.file(f"{path}/content.xml"))
        if root is not None and self._depth < _MAX_DEPTH:
            inner_source = Source(root, root, self._source.file)
            body = root if root.tag == f"{MATH}math" else root.find(f"{OFFICE}body")
            if body is not None:
                yield from self._within(body, Flow(inner_source, self._read, path, self._depth + 1), page)
                return
        data = self._source.file(path)
        if data:
            yield from embedded(data, name, self._read, page)
        else:
            yield from unread(
                name, "the file lacks it or holds it too deep; save it as a file of its own", page
            )

    def _within(self, body: Any, flow: Flow, page: int) -> Iterator[Item]:
        if body.find(f"{OFFICE}chart") is not None:
            yield Note(Part.CHART)
        yield from flow.items(body, page)


def _marker(paragraph: Any) -> str:
    """Return what comes before a list paragraph or a heading: its number, or a dash."""
    if text := paragraph.get(LABEL):
        return f"{text.strip()} "
    listed = paragraph.getparent().tag == f"{TEXT}list-item" and paragraph.tag == f"{TEXT}p"
    return "- " if listed else ""


def _formula(math: Any) -> str:
    """Return an equation as it was typed, or its symbols in a row."""
    typed = " ".join("".join(one.itertext()) for one in math.iter(f"{MATH}annotation"))
    return typed.strip() or " ".join(filter(None, map(str.strip, math.itertext())))


def _field(control: Any, page: int) -> Iterator[Item] | None:
    """Return a form's field and its value; None for an element that only groups fields."""
    name = str(control.tag).removeprefix(FORM)
    if name in {"form", "properties", "property", "item", "option", "list-property", "list-value"}:
        return None
    text = str(control.get(f"{FORM}current-value") or control.get(f"{FORM}value") or "")
    if name in {"checkbox", "radio"}:
        state = control.get(f"{FORM}current-state") or control.get(f"{FORM}state")
        text = "yes" if state in {"checked", "true"} else "no"
    label = str(control.get(f"{FORM}label") or control.get(f"{FORM}name") or "")
    return _filled(label, text, page) if text and name != "button" else iter(())


def _filled(label: str, text: str, page: int) -> Iterator[Item]:
    yield Note(Part.FORM_FIELD)
    yield from blocks(BlockKind.TEXT, f"{label}: {text}" if label else text, page)
