"""OpenDocument (.odt, .ods, .odp): the text, lists, tables and notes of its content, in their order."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from rag_core.extract import archive
from rag_core.extract.blocks import BlockKind, Head, Item, Note, Part, Pulse, Unreadable, blocks, tables

_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_MOST_COLUMNS = 500
_MOST_REPEATS = 100  # a sheet that was formatted to its end repeats one empty row a million times


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of an OpenDocument file; a sheet or a slide is a page."""
    archive.check(path, "OpenDocument file")
    with zipfile.ZipFile(path) as packed:
        root = _xml(packed.read("content.xml"))
        names = packed.namelist()
        locked = "META-INF/manifest.xml" in names and b"encryption-data" in packed.read(
            "META-INF/manifest.xml"
        )
        title = _xml(packed.read("meta.xml")).findtext(".//{*}title") if "meta.xml" in names else ""
    if root is None or locked:
        raise Unreadable("encrypted", "the file is locked with a password; save a copy without one")
    body = root.find(f"{{{_OFFICE}}}body")
    inner = body[0] if body is not None and len(body) else None
    if inner is None:
        raise Unreadable("no_text", "the file holds no text")
    sheets = inner.findall(f"{_TABLE}table") if inner.tag.endswith("spreadsheet") else []
    slides = inner.findall(f"{_DRAW}page")
    yield Head(title=(title or "").strip(), pages=max(1, len(sheets) + len(slides)))
    empty = True
    for page, part in enumerate(sheets or slides or [inner], 1):
        if part is not inner:
            named = part.get(f"{_TABLE if sheets else _DRAW}name") or ""
            yield from blocks(BlockKind.HEADING, named, page, 1)
        for item in _table(part, page) if sheets else _flow(part, page):
            empty = False
            yield item
        yield Pulse(page)
    if empty:
        raise Unreadable("no_text", "the file holds no text; pictures of text need OCR: save it as PDF")
    pictures = sum(1 for _ in root.iter(f"{_DRAW}image"))
    if pictures:
        many = "a picture" if pictures == 1 else f"{pictures} pictures"
        yield Note(Part.PICTURE, pictures, read=False, message=f"{many}, which are read in PDF files only")


def _xml(data: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=True)
    return etree.fromstring(data, parser)


def _flow(part: Any, page: int) -> Iterator[Item]:
    """Headings, paragraphs and tables in the order of the document."""
    walk = etree.iterwalk(part, events=("start",))
    for _, one in walk:
        if one.tag == f"{_TABLE}table":
            walk.skip_subtree()
            yield from _table(one, page)
        elif one.tag == f"{_TEXT}h":
            walk.skip_subtree()
            level = one.get(f"{_TEXT}outline-level") or "1"
            yield from blocks(BlockKind.HEADING, _words(one), page, int(level) if level.isdigit() else 1)
        elif one.tag == f"{_TEXT}p":
            walk.skip_subtree()
            marker = "- " if one.getparent().tag == f"{_TEXT}list-item" else ""
            if words := _words(one):
                yield from blocks(BlockKind.TEXT, marker + words, page)
        elif one.tag == f"{_PRESENTATION}notes":
            walk.skip_subtree()
            if words := " ".join(filter(None, map(_words, one.iter(f"{_TEXT}p")))):
                yield Note(Part.NOTE)
                yield from blocks(BlockKind.TEXT, f"Notes: {words}", page)


def _words(part: Any) -> str:
    """The text of a paragraph, with what stands in it as elements: blanks, line breaks, notes, comments."""
    written: list[str] = []

    def walk(element: Any) -> None:
        written.append(element.text or "")
        for child in element:
            if child.tag == f"{_TEXT}s":
                written.append(" " * min(80, int(child.get(f"{_TEXT}c") or 1)))
            elif child.tag in {f"{_TEXT}tab", f"{_TEXT}line-break"}:
                written.append("\n" if child.tag.endswith("break") else "\t")
            elif child.tag == f"{_TEXT}note":
                note = child.find(f"{_TEXT}note-body")
                written.append(f" (note: {' '.join(map(_words, note))}) " if note is not None else "")
            elif child.tag == f"{{{_OFFICE}}}annotation":
                written.append(f" (comment: {' '.join(filter(None, map(_words, child)))}) ")
            elif isinstance(child.tag, str):
                if child.tag == f"{_TEXT}p":
                    written.append("\n")
                walk(child)
            written.append(child.tail or "")

    walk(part)
    return "".join(written).strip()


def _table(table: Any, page: int) -> Iterator[Item]:
    rows: list[list[str]] = []
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            words = " ".join(
                filter(None, map(_words, cell.iterchildren(f"{_TEXT}p", f"{_TEXT}h", f"{_TEXT}list")))
            )
            again = _repeated(cell, "columns") if words else min(_repeated(cell, "columns"), _MOST_COLUMNS)
            cells += [words] * min(again, _MOST_COLUMNS - len(cells))
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            rows += [cells] * min(_repeated(row, "rows"), _MOST_REPEATS)
    if rows:
        yield Note(Part.TABLE)
        yield from tables(rows, page)


def _repeated(element: Any, what: str) -> int:
    said = element.get(f"{_TABLE}number-{what}-repeated") or "1"
    return int(said) if said.isdigit() and len(said) < 8 else 1
