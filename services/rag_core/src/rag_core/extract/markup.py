"""XML that is not HTML: Office's files saved as XML, feeds (RSS, Atom), drawings (SVG), any other."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from rag_core.errors import UploadRefused
from rag_core.extract import blobs, flat, html, opendocument, word, word_2003
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
from rag_core.extract.sniff import sniff

_FLAT = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}document"
_MOST_FIELD = 80  # characters; a longer text needs no field name
# Attributes in which some formats keep readable text; OPML keeps all of it there.
_SAID = ("title", "name", "label", "text", "value", "caption", "description", "summary", "comment")
_MOST_BYTES = 100 * 1024 * 1024


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of an XML file, by its root element; `read` gives those of embedded files."""
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable("too_large", "the file is over 100 MiB of XML; split it")
    # An untrusted file: resolve no entities, follow no addresses. Recover: only a damaged part is lost.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=True)
    root = etree.parse(str(path), parser).getroot()
    if root is None:
        raise Unreadable("corrupt", "the file is no valid XML; copy or download it again")
    if flat.is_flat(root):
        with flat.packed(root) as archive:
            try:
                kind = sniff(archive, path.name)
            except UploadRefused as error:
                raise Unreadable("unsupported", error.message) from error
            yield from read(archive, kind)
        return
    if _name(root) == "wordDocument" and root.nsmap and root.find("{*}body") is not None:
        yield from _of_2003(root, read)
        return
    if root.tag == _FLAT:
        yield from opendocument.parse(path, read)
        return
    text, reader = _kind(root)
    title, pages, found = reader(root)
    yield Head(title=title, pages=pages)
    if parser.error_log:
        yield Note(Part.TEXT, 0, message="the file breaks the rules of XML; check that all of it was read")
    empty = True
    for item in found:
        empty = empty and isinstance(item, Picture)
        yield item
    if empty:
        raise Unreadable("no_text", f"the file ({text}) holds no text")


def _of_2003(root: Any, read: Reader) -> Iterator[Item]:
    parts, unread = word_2003.rewritten(root)
    made = io.BytesIO()
    flat.pack(made, parts)
    made.seek(0)
    yield from word.document(made, read)
    yield from unread


def _kind(root: Any) -> tuple[str, Any]:
    name = _name(root)
    if name == "Workbook":
        return "Excel XML", _workbook
    if name in {"rss", "feed", "RDF"} and (_all(root, "item") or _all(root, "entry")):
        return "feed", _feed
    if name == "svg":
        return "SVG drawing", _drawing
    return "XML", _any


def _workbook(root: Any) -> tuple[str, int, Iterator[Item]]:
    sheets = root.findall("{*}Worksheet")

    def items() -> Iterator[Item]:
        for page, sheet in enumerate(sheets, 1):
            name = next((value for key, value in sheet.attrib.items() if key.endswith("Name")), "")
            yield from blocks(BlockKind.HEADING, name, page, 1)
            rows = []
            for row in sheet.iter("{*}Row"):
                cells: list[str] = []
                for cell in row.iterfind("{*}Cell"):
                    at = next((value for key, value in cell.attrib.items() if key.endswith("Index")), "")
                    if at.isdigit() and len(cells) < int(at) <= 500:
                        cells += [""] * (int(at) - 1 - len(cells))
                    cells.append("".join(cell.itertext()).strip())
                rows.append(cells)
            if rows:
                yield Note(Part.TABLE)
                yield from tables(rows, page)

    return "", max(1, len(sheets)), items()


def _feed(root: Any) -> tuple[str, int, Iterator[Item]]:
    channel = root.find("{*}channel")
    title = (channel if channel is not None else root).findtext("{*}title") or ""

    def items() -> Iterator[Item]:
        for entry in _all(root, "item") or _all(root, "entry"):
            yield from blocks(BlockKind.HEADING, entry.findtext("{*}title") or "", 1, 1)
            when = next((entry.findtext(f"{{*}}{one}") for one in ("pubDate", "updated", "published", "date")
                         if entry.findtext(f"{{*}}{one}")), "")  # fmt: skip
            author = entry.findtext("{*}author/{*}name") or entry.findtext("{*}creator") or ""
            yield from blocks(BlockKind.TEXT, " ".join(filter(None, (author, when))), 1)
            seen: set[str] = set()
            for name in ("encoded", "content", "description", "summary"):
                for part in entry.iterfind(f"{{*}}{name}"):
                    text = (
                        etree.tostring(part, encoding="unicode", with_tail=False)
                        if len(part)
                        else part.text or ""
                    )
                    found = [one for one in html.read(text, 1)[1]
                             if not isinstance(one, Block) or one.text not in seen]  # fmt: skip
                    seen.update(one.text for one in found if isinstance(one, Block))
                    yield from found

    return title.strip(), 1, items()


def _drawing(root: Any) -> tuple[str, int, Iterator[Item]]:
    def items() -> Iterator[Item]:
        for part in root.iter("{*}title", "{*}desc", "{*}text"):
            yield from blocks(BlockKind.TEXT, " ".join(" ".join(part.itertext()).split()), 1)
        for image in root.iter("{*}image"):
            address = image.get("{http://www.w3.org/1999/xlink}href") or image.get("href") or ""
            yield Picture(blobs.picture(address) or b"", 1)

    return (root.findtext("{*}title") or "").strip(), 1, items()


def _any(root: Any) -> tuple[str, int, Iterator[Item]]:
    """Read any other XML: the text of each element that has some of its own, with the markup within it.

    A short value means nothing without the name of its element, and the values of one record belong together.
    """

    def items() -> Iterator[Item]:
        fields: list[str] = []
        record = None
        walk = etree.iterwalk(root, events=("start",))
        for _, part in walk:
            if not isinstance(part.tag, str):
                continue
            found = [f"{name}: {value}" for name in _SAID if (value := (part.get(name) or "").strip())]
            words = ""
            if _holds_text(part):
                walk.skip_subtree()
                words = " ".join(" ".join(part.itertext()).split())
                if len(part) == 0 and part is not root and len(words) <= _MOST_FIELD:
                    found.append(f"{_label(part)}: {words}")
                    words = ""
            if fields and (words or (found and part.getparent() is not record)):
                yield from blocks(BlockKind.TEXT, "\n".join(fields), 1)
                fields.clear()
            fields += found
            record = part.getparent() if found else record
            yield from blocks(BlockKind.TEXT, "\n".join((*fields, words)) if words else "", 1)
            if words:
                fields.clear()
        yield from blocks(BlockKind.TEXT, "\n".join(fields), 1)

    return (root.findtext("{*}title") or "").strip(), 1, items()


def _holds_text(part: Any) -> bool:
    """Whether the element has text of its own, before, between or after its children."""
    return bool((part.text or "").strip()) or any((inner.tail or "").strip() for inner in part)


def _label(part: Any) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _name(part)).replace("_", " ")


def _all(root: Any, name: str) -> list[Any]:
    found: list[Any] = root.findall(f".//{{*}}{name}")
    return found


def _name(element: Any) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""
