"""What a sheet has beside its cells: merged ranges, notes, text boxes, charts, pictures, embedded files."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

from rag_core.extract.attached import Reader
from rag_core.extract.blocks import BlockKind, Item, Note, Part, blocks
from rag_core.extract.charts import chart, diagram, parsed
from rag_core.extract.embedded import embedded

_MERGED = re.compile(rb'<(?:\w{1,20}:)?mergeCell[^>]{0,200}?\bref="([A-Z0-9:$]{2,40})"')
_END = b"sheetData>"
_BLOCK = 1 << 20
_MOST_TAIL = 16 << 20
_MOST_MERGED = 50_000


@dataclass(frozen=True, slots=True)
class Merged:
    """Cells shown as one: the first row and the last, and the column of its value; all from 1."""

    top: int
    bottom: int
    column: int


class Parts:
    """The parts of one sheet, in the archive that it came in."""

    def __init__(self, archive: zipfile.ZipFile, path: str) -> None:
        self._archive = archive
        self._path = path
        self._relations = _relations(archive, path)

    def merged(self) -> list[Merged]:
        """Ranges over several rows, by their first row. They come after the cells, which are passed over."""
        found: list[Merged] = []
        for match in _MERGED.finditer(self._tail()):
            left, top, _, bottom = range_boundaries(match[1].decode().replace("$", ""))
            if None not in (left, top, bottom) and bottom > top and len(found) < _MOST_MERGED:
                found.append(Merged(top, bottom, left))
        return sorted(found, key=lambda one: one.top)

    def has_formulas(self) -> bool:
        """Whether any cell is calculated."""
        with self._archive.open(self._path) as file:
            rest = b""
            while block := file.read(_BLOCK):
                if b"<f>" in rest + block or b"<f " in rest + block:
                    return True
                rest = block[-3:]
        return False

    def notes(self) -> dict[tuple[int, int], str]:
        """Notes and threaded comments by (row, column)."""
        people = _people(self._archive)
        found: dict[tuple[int, int], str] = {}
        threads: dict[tuple[int, int], list[str]] = {}
        for kind, target in self._relations.values():
            root = parsed(self._read(target)) if kind in {"comments", "threadedComment"} else None
            if root is None:
                continue
            for one in root.iter("{*}comment", "{*}threadedComment"):
                said = " ".join("".join(text.text or "" for text in one.iter("{*}t", "{*}text")).split())
                try:
                    place = coordinate_to_tuple(str(one.get("ref")))
                except ValueError:
                    continue
                if kind == "comments":
                    found[place] = said
                elif said:
                    who = people.get(str(one.get("personId")), "")
                    threads.setdefault(place, []).append(f"{who}: {said}" if who else said)
        # What older programs show in place of a thread repeats it.
        return found | {place: "; ".join(said) for place, said in threads.items()}

    def beside(self, page: int, name: str, read: Reader) -> Iterator[Item]:
        """Text boxes, charts, diagrams, pictures and embedded files of the sheet."""
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
        for kind, target in _relations(self._archive, path).values():
            if kind in {"chart", "chartEx"} and (data := self._read(target)):
                yield from chart(data, page)
            elif kind == "diagramData" and (data := self._read(target)):
                yield from diagram(data, page)
        unseen = 0
        for picture in root.iter("{*}pic"):
            said = next((str(one.get("descr") or "") for one in picture.iter("{*}cNvPr")), "")
            yield from blocks(BlockKind.TEXT, f"Picture: {said}" if said.strip() else "", page)
            unseen += not said.strip()
        if unseen:
            many = "a picture" if unseen == 1 else f"{unseen} pictures"
            message = f"sheet {name}: {many} without a description, not read"
            yield Note(Part.PICTURE, unseen, read=False, message=message)

    def _tail(self) -> bytes:
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


def _relations(archive: zipfile.ZipFile, path: str) -> dict[str, tuple[str, str]]:
    """Id -> kind and path of what a part refers to within the archive."""
    folder, name = posixpath.split(path)
    try:
        root = parsed(archive.read(f"{folder}/_rels/{name}.rels"))
    except KeyError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for one in root.iter("{*}Relationship") if root is not None else ():
        if one.get("TargetMode") != "External":
            target = str(one.get("Target"))
            target = (
                target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            )
            found[str(one.get("Id"))] = (str(one.get("Type")).rpartition("/")[2], target)
    return found


def _people(archive: zipfile.ZipFile) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in archive.namelist():
        if name.startswith("xl/persons/") and (root := parsed(archive.read(name))) is not None:
            found |= {str(one.get("id")): str(one.get("displayName")) for one in root.iter("{*}person")}
    return found
