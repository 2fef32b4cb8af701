"""OpenDocument (.odt, .ods, .odp, .odg, .odf, templates and flat files): what its pages show, in order."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_core.extract import archive
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Pulse,
    Unreadable,
    blocks,
)
from rag_core.extract.opendocument_names import (
    DRAW,
    MATH,
    OFFICE,
    PRESENTATION,
    TABLE,
    TEXT,
    Source,
    parsed,
)
from rag_core.extract.opendocument_numbers import label
from rag_core.extract.opendocument_running import running
from rag_core.extract.opendocument_table import is_wide, rows, uncalculated
from rag_core.extract.opendocument_text import Flow
from rag_core.extract.rows import MAX_COLUMNS, rows_of

_MANIFEST = "META-INF/manifest.xml"
_NUMBERED = re.compile(r"[^\W\d]{1,30} ?\d{1,6}")


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks; a sheet or a slide is a page. `read` gives the blocks of embedded files."""
    with path.open("rb") as begun:
        if begun.read(2) != b"PK":
            yield from _document(_flat(path), read)
            return
    archive.check(path, "OpenDocument file")
    with zipfile.ZipFile(path) as packed:
        names = set(packed.namelist())

        def file(name: str) -> bytes:
            return packed.read(name) if name in names else b""

        if b"encryption-data" in file(_MANIFEST):
            raise Unreadable("encrypted", "the file is encrypted; save it without a password")
        content = parsed(file("content.xml"))
        if content is None:
            raise Unreadable("corrupt", "the file's text is truncated or corrupt; copy or download it again")
        styles = parsed(file("styles.xml"))
        meta = parsed(file("meta.xml"))
        source = Source(content, styles if styles is not None else content, file)
        yield from _document((source, meta if meta is not None else content), read)


def _flat(path: Path) -> tuple[Source, Any]:
    """Open a flat file: the whole document in a single XML file."""
    if path.stat().st_size > archive.MAX_PART_BYTES:
        size = archive.MAX_PART_BYTES // 2**20
        raise Unreadable("too_large", f"the file is over {size} MiB of markup; save it as .odt, .ods or .odp")
    root = parsed(path.read_bytes())
    if root is None or root.find(f"{OFFICE}body") is None:
        raise Unreadable("corrupt", "the file is truncated or corrupt; copy or download it again")
    return Source(root, root, lambda name: b""), root


def _document(found: tuple[Source, Any], read: Reader) -> Iterator[Item]:
    source, meta = found
    body = source.content if source.content.tag == f"{MATH}math" else source.content.find(f"{OFFICE}body")
    inner = body[0] if body is not None and len(body) and body.tag != f"{MATH}math" else body
    if inner is None:
        raise Unreadable("no_text", "the file holds no text")
    if inner.tag == f"{OFFICE}database":
        raise Unreadable("unsupported", "the file is a database; export what should be read as CSV")
    sheets = inner.findall(f"{TABLE}table") if inner.tag == f"{OFFICE}spreadsheet" else []
    pages = sheets or inner.findall(f"{DRAW}page")
    title = meta.findtext(f".//{OFFICE}meta/{{*}}title") or ""
    yield Head(title=title.strip(), pages=max(1, len(pages)))
    label(source)
    flow = Flow(source, read)
    empty = True
    for line in running(source, flow):
        empty = False
        yield Note(Part.RUNNING_LINE)
        yield from blocks(BlockKind.TEXT, line, 1)
    for page, part in enumerate(pages or [inner], 1):
        if name := _named(part, sheets=bool(sheets)):
            yield from blocks(BlockKind.HEADING, name, page, 1)
        for item in _sheet(part, page, source, flow) if sheets else _page(part, page, source, flow):
            empty = empty and not isinstance(item, Block)
            yield item
        yield Pulse(page)
    yield from _remarks(source, flow)
    if empty:
        raise Unreadable("no_text", "the file holds no text")


def _named(part: Any, *, sheets: bool) -> str:
    """Return a page's name if a user chose it and no title replaces it; generated ones are like "page1"."""
    name = str(part.get(f"{TABLE if sheets else DRAW}name") or "")
    titled = any(
        frame.get(f"{PRESENTATION}class") == "title" and "".join(frame.itertext()).strip()
        for frame in part.iterchildren(f"{DRAW}frame")
    )
    return name if sheets or not (titled or _NUMBERED.fullmatch(name)) else ""


def _sheet(table: Any, page: int, source: Source, flow: Flow) -> Iterator[Item]:
    name = str(table.get(f"{TABLE}name") or page)
    yield from rows_of(rows(table, flow.cell), page)
    yield from flow.beside(page)
    for shapes in table.iterchildren(f"{TABLE}shapes"):
        yield from flow.items(shapes, page)
    if source.style(table, f"{TABLE}style-name", f"{TABLE}display") == "false":
        yield Note(Part.TEXT, 0, message=f"sheet {name} is hidden, and was read all the same")
    if count := uncalculated(table):
        many = "1 formula was" if count == 1 else f"{count:,} formulas were"
        message = f"sheet {name}: {many} never calculated; open the file in a spreadsheet program and save it"
        yield Note(Part.FORMULA, count, read=False, message=message)
    if is_wide(table):
        message = f"sheet {name}: columns beyond the first {MAX_COLUMNS:,} were not read"
        yield Note(Part.TABLE, read=False, message=message)


def _page(part: Any, page: int, source: Source, flow: Flow) -> Iterator[Item]:
    yield from flow.items(part, page)
    if source.style(part, f"{DRAW}style-name", f"{PRESENTATION}visibility") == "hidden":
        yield Note(Part.TEXT, 0, message=f"slide {page} is hidden in a show, and was read all the same")


def _remarks(source: Source, flow: Flow) -> Iterator[Item]:
    deleted = sum(1 for _ in source.content.iter(f"{TEXT}deletion"))
    if deleted:
        many = "1 deletion" if deleted == 1 else f"{deleted:,} deletions"
        yield Note(Part.TEXT, 0, message=f"{many} recorded with the document left out, as if accepted")
