"""The parts of a sheet beside its cells: merged ranges, notes, text boxes, charts, pictures, files."""

from __future__ import annotations

import html
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

from rag_core.extract.attached import Reader
from rag_core.extract.blocks import BlockKind, Item, Note, Part, Picture, blocks
from rag_core.extract.charts import chart, diagram, parsed
from rag_core.extract.embedded import embedded

_MERGED = re.compile(rb'<(?:\w{1,20}:)?mergeCell[^>]{0,200}?\bref="([A-Z0-9:$]{2,40})"')
_LINK = re.compile(rb"<(?:\w{1,20}:)?hyperlink\s[^>]{1,4000}>")
_RUNNING = re.compile(rb"<(?:\w{1,20}:)?((?:odd|even|first)(?:Header|Footer))\b[^>]{0,200}>([^<]{1,4000})<")
# Codes in a header: font, size, colour, position; page number, date, sheet name.
_CODE = re.compile(r'&(?:"[^"]{0,200}"|K[0-9A-Fa-f+-]{6}|\d{1,3}|[A-Za-z])')
_END = b"sheetData>"
_ALONE = re.compile(rb"(?<=[<\s])\w{1,20}:(?=\w)")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_BLOCK = 1 << 20
_MOST_TAIL = 16 << 20
_MOST_MERGED = 50_000


@dataclass(frozen=True, slots=True)
class Merged:
    """Merged cells: the first row, the last row and the column of the value, all counted from 1."""

    top: int
    bottom: int
    column: int


class Parts:
    """The parts of one sheet in its archive."""

    def __init__(self, archive: zipfile.ZipFile, path: str) -> None:
        self._archive = archive
        self._path = path
        self._relations = _relations(archive, path)
        self._links = _relations(archive, path, external=True)
        self._after: bytes | None = None

    def merged(self) -> list[Merged]:
        """Return ranges over several rows, by their first row. They follow the cells, which are skipped."""
        found: list[Merged] = []
        for match in _MERGED.finditer(self._tail()):
            left, top, _, bottom = range_boundaries(match[1].decode().replace("$", ""))
            if None not in (left, top, bottom) and bottom > top and len(found) < _MOST_MERGED:
                found.append(Merged(top, bottom, left))
        return sorted(found, key=lambda one: one.top)

    def has_formulas(self) -> bool:
        """Whether any cell has a formula."""
        with self._archive.open(self._path) as file:
            rest = b""
            while block := file.read(_BLOCK):
                if b"<f>" in rest + block or b"<f " in rest + block:
                    return True
                rest = block[-3:]
        return False

    def notes(self) -> dict[tuple[int, int], str]:
        """Return notes and threaded comments by (row, column)."""
        people = _people(self._archive)
        found: dict[tuple[int, int], str] = {}
        threads: dict[tuple[int, int], list[str]] = {}
        for kind, target in self._relations.values():
            root = parsed(self._read(target)) if kind in {"comments", "threadedComment"} else None
            if root is None:
                continue
            for one in root.iter("{*}comment", "{*}threadedComment"):
                content = " ".join("".join(text.text or "" for text in one.iter("{*}t", "{*}text")).split())
                try:
                    place = coordinate_to_tuple(str(one.get("ref")))
                except ValueError:
                    continue
                if kind == "comments":
                    found[place] = content
                elif content:
                    who = people.get(str(one.get("personId")), "")
                    threads.setdefault(place, []).append(f"{who}: {content}" if who else content)
        # A threaded comment's fallback note for older programs only repeats it.
        return found | {place: "; ".join(content) for place, content in threads.items()}

    def beside(self, page: int, name: str, read: Reader) -> Iterator[Item]:
        """Yield text boxes, charts, diagrams, pictures and embedded files of the sheet."""
        for kind, target in self._relations.values():
            if kind == "drawing":
                yield from self._drawing(target, page, name)
            elif kind in {"oleObject", "package"} and (data := self._read(target)):
                yield from embedded(data, posixpath.basename(target), read, page)

    def _drawing(self, path: str, page: int, name: str) -> Iterator[Item]:
        root = parsed(self._read(path))
        if root is None:
            return
        for shape in root.iter("{*}sp"):
            lines = ("".join(text.text or "" for text in one.iter("{*}t")) for one in shape.iter("{*}p"))
            if words := "\n".join(filter(None, map(str.strip, lines))):
                yield Note(Part.TEXT_BOX)
                yield from blocks(BlockKind.TEXT, words, page)
        relations = _relations(self._archive, path)
        for kind, target in relations.values():
            if kind in {"chart", "chartEx"} and (data := self._read(target)):
                yield from chart(data, page)
            elif kind == "diagramData" and (data := self._read(target)):
                yield from diagram(data, page)
        for picture in root.iter("{*}pic"):
            content = next((str(one.get("descr") or "") for one in picture.iter("{*}cNvPr")), "")
            yield from blocks(BlockKind.TEXT, f"Picture: {content}" if content.strip() else "", page)
            for one in picture.iter("{*}blip"):
                _, target = relations.get(str(one.get(f"{_RELATION}embed")), ("", ""))
                yield Picture(self._read(target), page, f"sheet {name}", described=bool(content.strip()))

    def links(self) -> dict[tuple[int, int], str]:
        """Return web and e-mail addresses by the (row, column) that links to them."""
        found: dict[tuple[int, int], str] = {}
        for match in _LINK.finditer(self._tail()):
            element = parsed(_ALONE.sub(b"", match[0]).rstrip(b"/>") + b"/>")
            relation = (
                next((str(v) for k, v in element.items() if k == "id"), "") if element is not None else ""
            )
            _, address = self._links.get(relation, ("", ""))
            try:
                place = coordinate_to_tuple(str(element.get("ref")).partition(":")[0]) if address else (0, 0)
            except ValueError:
                continue
            if address.startswith(("http://", "https://", "mailto:", "ftp://", "tel:")):
                found[place] = address
        return found

    def running(self) -> list[str]:
        """Return the header and footer lines, without page numbers, dates and file names."""
        texts: dict[str, None] = {}
        for match in _RUNNING.finditer(self._tail()):
            text = html.unescape(match[2].decode("utf-8", "replace")).replace("&&", "\0")
            dynamic = re.search("&[PNDTZFAG]", text) is not None
            line = " ".join(_CODE.sub(" ", text).replace("\0", "&").split())
            words = [word for word in re.findall(r"\w+", line) if not word.isdigit()]
            if len(words) > (2 if dynamic else 0):
                texts[line] = None
        return list(texts)

    def _tail(self) -> bytes:
        """Return what follows the cells; cached, since it is used more than once."""
        if self._after is None:
            self._after = self._read_tail()
        return self._after

    def _read_tail(self) -> bytes:
        with self._archive.open(self._path) as file:
            rest = b""
            while block := file.read(_BLOCK):
                rest = rest[-len(_END) :] + block
                at = rest.find(b"/" + _END)
                at = at if at >= 0 else rest.find(b":" + _END)
                if at >= 0:
                    return rest[at:] + file.read(_MOST_TAIL)
        return b""

    def _read(self, path: str) -> bytes:
        try:
            return self._archive.read(path)
        except KeyError:
            return b""


def _relations(archive: zipfile.ZipFile, path: str, *, external: bool = False) -> dict[str, tuple[str, str]]:
    """Return id -> kind and path of a part's references within the archive, or kind and address outside."""
    folder, name = posixpath.split(path)
    try:
        root = parsed(archive.read(f"{folder}/_rels/{name}.rels"))
    except KeyError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for one in root.iter("{*}Relationship") if root is not None else ():
        kind = str(one.get("Type")).rpartition("/")[2]
        if (one.get("TargetMode") == "External") != external:
            continue
        if external:
            found[str(one.get("Id"))] = (kind, str(one.get("Target")))
        else:
            target = str(one.get("Target"))
            target = (
                target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            )
            found[str(one.get("Id"))] = (kind, target)
    return found


def _people(archive: zipfile.ZipFile) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in archive.namelist():
        if name.startswith("xl/persons/") and (root := parsed(archive.read(name))) is not None:
            found |= {str(one.get("id")): str(one.get("displayName")) for one in root.iter("{*}person")}
    return found
