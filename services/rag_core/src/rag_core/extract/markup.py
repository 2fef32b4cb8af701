"""XML that is not HTML: Office 2003's files, feeds (RSS, Atom), drawings (SVG), and the text of any other."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from rag_core.extract import html, word, word_2003
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import BlockKind, Head, Item, Note, Part, Unreadable, blocks, tables

_MOST_BYTES = 100 * 1024 * 1024


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of an XML file, by its outermost element; `read` gives those of files within."""
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable("too_large", "the file is over 100 MiB of XML; split it")
    # No entity and no address of a stranger's file is followed; a part that is damaged costs only itself.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=True)
    root = etree.parse(str(path), parser).getroot()
    if root is None:
        raise Unreadable("corrupt", "the file is no valid XML; copy or download it again")
    if _name(root) == "package" and any("wordprocessingml" in _attribute(one, "contentType") for one in root):
        yield from _packed(root, read)
        return
    if _name(root) == "wordDocument" and root.nsmap and root.find("{*}body") is not None:
        yield from _of_2003(root, read)
        return
    kind, its = _kind(root)
    title, pages, found = its(root)
    yield Head(title=title, pages=pages)
    if parser.error_log:
        yield Note(Part.TEXT, 0, message="the file breaks the rules of XML; check that all of it was read")
    empty = True
    for item in found:
        empty = False
        yield item
    if empty:
        raise Unreadable("no_text", f"the file ({kind}) holds no text")


def _packed(root: Any, read: Reader) -> Iterator[Item]:
    """A Word file whose parts are in one XML file ("Word XML document"), as the DOCX that it is."""
    parts: list[word_2003.Entry] = []
    for part in root.iterfind("{*}part"):
        content = part.find("{*}xmlData")
        if content is not None and len(content):
            data = etree.tostring(content[0], encoding="utf-8", with_tail=False)
        else:
            data = base64.b64decode(part.findtext("{*}binaryData") or "")
        parts.append((_attribute(part, "name").lstrip("/"), _attribute(part, "contentType"), data))
    yield from word.document(_zipped(parts), read)


def _of_2003(root: Any, read: Reader) -> Iterator[Item]:
    parts, unread = word_2003.rewritten(root)
    yield from word.document(_zipped(parts), read)
    yield from unread


def _zipped(parts: list[word_2003.Entry]) -> IO[bytes]:
    made = io.BytesIO()
    types = ['<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">']
    with zipfile.ZipFile(made, "w") as package:
        for name, kind, data in parts:
            types.append(f"<Override PartName={quoteattr('/' + name)} ContentType={quoteattr(kind)}/>")
            package.writestr(name, data)
        package.writestr("[Content_Types].xml", "".join([*types, "</Types>"]))
    made.seek(0)
    return made


def _attribute(element: Any, name: str) -> str:
    return next(
        (str(value) for key, value in element.attrib.items() if etree.QName(key).localname == name), ""
    )


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
                    said = (
                        etree.tostring(part, encoding="unicode", with_tail=False)
                        if len(part)
                        else part.text or ""
                    )
                    found = [block for block in html.read(said, 1)[1] if block.text not in seen]
                    seen.update(block.text for block in found)
                    yield from found

    return title.strip(), 1, items()


def _drawing(root: Any) -> tuple[str, int, Iterator[Item]]:
    def items() -> Iterator[Item]:
        for part in root.iter("{*}title", "{*}desc", "{*}text"):
            yield from blocks(BlockKind.TEXT, " ".join(" ".join(part.itertext()).split()), 1)
        pictures = len(root.findall(".//{*}image"))
        if pictures:
            yield Note(Part.PICTURE, pictures, read=False, message="pictures within the drawing")

    return (root.findtext("{*}title") or "").strip(), 1, items()


def _any(root: Any) -> tuple[str, int, Iterator[Item]]:
    """The text of each element that holds some itself, with what is marked within it."""

    def items() -> Iterator[Item]:
        walk = etree.iterwalk(root, events=("start",))
        for _, part in walk:
            if isinstance(part.tag, str) and part.text and part.text.strip():
                walk.skip_subtree()
                yield from blocks(BlockKind.TEXT, " ".join(" ".join(part.itertext()).split()), 1)

    return (root.findtext("{*}title") or "").strip(), 1, items()


def _all(root: Any, name: str) -> list[Any]:
    found: list[Any] = root.findall(f".//{{*}}{name}")
    return found


def _name(element: Any) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""
