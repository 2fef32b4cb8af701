"""XML that is not HTML: Office's files saved as XML, feeds (RSS, Atom), drawings (SVG), any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from rag_core.errors import UploadRefused
from rag_core.extract import flat, html
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import BlockKind, Head, Item, Note, Part, Unreadable, blocks, tables
from rag_core.sniff import sniff

_MOST_FIELD = 80  # signs; longer text speaks for itself
# Attributes in which formats keep text for people, as OPML does all of it.
_SAID = ("title", "name", "label", "text", "value", "caption", "description", "summary", "comment")
_MOST_BYTES = 100 * 1024 * 1024


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of an XML file, by what its outermost element says that it is.

    `read` gives those of an Office file that was saved as XML.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable("too_large", "the file is over 100 MiB of XML; split it")
    # No entity and no address of a stranger's file is followed; a part that is damaged costs only itself.
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
    said, reader = _kind(root)
    title, pages, found = reader(root)
    yield Head(title=title, pages=pages)
    if parser.error_log:
        yield Note(Part.TEXT, 0, message="the file breaks the rules of XML; check that all of it was read")
    empty = True
    for item in found:
        empty = False
        yield item
    if empty:
        raise Unreadable("no_text", f"the file ({said}) holds no text")


def _kind(root: Any) -> tuple[str, Any]:
    name = _name(root)
    if name == "wordDocument" and root.find(".//{*}body//{*}p") is not None:
        return "Word XML", _word
    if name == "Workbook":
        return "Excel XML", _workbook
    if name in {"rss", "feed", "RDF"} and (_all(root, "item") or _all(root, "entry")):
        return "feed", _feed
    if name == "svg":
        return "SVG drawing", _drawing
    return "XML", _any


def _word(root: Any) -> tuple[str, int, Iterator[Item]]:
    def items() -> Iterator[Item]:
        for body in root.iterfind(".//{*}body"):
            walk = etree.iterwalk(body, events=("start",), tag=("{*}p", "{*}tbl"))
            for _, part in walk:
                walk.skip_subtree()
                if _name(part) == "tbl":
                    yield Note(Part.TABLE)
                    rows = [[_words(cell) for cell in row.iterfind("{*}tc")] for row in part.iter("{*}tr")]
                    yield from tables(rows, 1)
                else:
                    style = part.find("{*}pPr/{*}pStyle")
                    found = re.match(r"Heading\s?([1-9])", _value(style)) if style is not None else None
                    kind = BlockKind.HEADING if found else BlockKind.TEXT
                    yield from blocks(kind, _words(part), 1, int(found[1]) if found else 0)
        objects = sum(1 for _ in root.iter("{*}binData", "{*}docOleData"))
        if objects:
            message = "pictures and objects of a Word file of 2003; save it as .docx to have them read"
            yield Note(Part.PICTURE, objects, read=False, message=message)

    return "", 1, items()


def _words(part: Any) -> str:
    """The text of a paragraph, with a blank around each paragraph within it (notes, text boxes)."""
    written = []
    signs = {"tab": "\t", "br": "\n", "p": " "}
    for event, one in etree.iterwalk(part, events=("start", "end"), tag=("{*}t", "{*}tab", "{*}br", "{*}p")):
        name = _name(one)
        if name == "t" and event == "start":
            written.append(one.text or "")
        elif name != "t" and one is not part and (event == "start" or name == "p"):
            written.append(signs[name])
    return "".join(written)


def _value(element: Any) -> str:
    return next((str(value) for key, value in element.attrib.items() if key.endswith("val")), "")


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
    """The text of each element that holds some itself, with what is marked within it.

    A short value is nothing without the name of its element, and those of one record belong together.
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
    """Whether the element has text of its own, before, between or after those within it."""
    return bool((part.text or "").strip()) or any((inner.tail or "").strip() for inner in part)


def _label(part: Any) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _name(part)).replace("_", " ")


def _all(root: Any, name: str) -> list[Any]:
    found: list[Any] = root.findall(f".//{{*}}{name}")
    return found


def _name(element: Any) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""
