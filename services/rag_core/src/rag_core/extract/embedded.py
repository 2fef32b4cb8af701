"""Files embedded in Office files: directly, or within the OLE container that older programs use."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PureWindowsPath

import olefile

from rag_core.extract.attached import Reader, attached, unread
from rag_core.extract.blocks import Item, Note, Part
from rag_core.extract.signatures import OLE

_WHOLE = ("Package", "CONTENTS", "Contents")
_PACKED = "\x01Ole10Native"
_LABELLED = b"\x02\0"
_EQUATION = "Equation Native"
_BROKEN = (OSError, ValueError, IndexError, TypeError, AttributeError)
_LINKED, _EMBEDDED = 1, 2
_LONGEST_NAME = 500


def embedded(data: bytes, name: str, read: Reader, page: int, level: int = 1) -> Iterator[Item]:
    """Yield the blocks of an embedded file, or its name and why it was not read."""
    if data.startswith(OLE):
        if _is_equation(data):
            yield from unread(
                name, "it is an equation of Word before 2007; type it again as an equation", page
            )
            return
        data, name = _unpacked(data, name)
    if not data:
        yield from unread(name, "no program's file was found in it; save it as a file of its own", page)
        return
    yield from attached(data, name, read, page, level)


def linked(address: str) -> Iterator[Item]:
    """Yield a note about a file that the document links to but does not contain."""
    name = PureWindowsPath(address).name or address
    message = f"the linked file {name} is not in the document; add it by itself"
    yield Note(Part.ATTACHMENT, read=False, message=message)


def ole1(data: bytes, kind: str) -> tuple[bytes, str, str]:
    """Read an object as RTF stores it (MS-OLEDS 2.2): its file, a name, and the address if it is linked."""
    form = int.from_bytes(data[4:8], "little")
    texts, at = [], 8
    for _ in range(3):
        size = int.from_bytes(data[at : at + 4], "little")
        texts.append(data[at + 4 : at + 4 + size].rstrip(b"\0").decode("cp1252", "replace"))
        at += 4 + size
    name = texts[0] or kind or "object"
    if form == _LINKED:
        return b"", name, texts[1] or name
    if form != _EMBEDDED:
        return b"", name, ""
    size = int.from_bytes(data[at : at + 4], "little")
    content = data[at + 4 : at + 4 + size]
    return (*_native(bytes(4) + content, name), "") if name == "Package" else (content, name, "")


def _is_equation(data: bytes) -> bool:
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            return bool(ole.exists(_EQUATION))
    except _BROKEN:
        return False


def _unpacked(data: bytes, name: str) -> tuple[bytes, str]:
    """Return the file within the container and its name; the container itself if it is an old Office file."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            for stream in _WHOLE:
                if ole.exists(stream):
                    return ole.openstream(stream).read(), name
            if ole.exists(_PACKED):
                return _native(ole.openstream(_PACKED).read(), name)
    except _BROKEN:
        return b"", name
    return data, name


def _native(data: bytes, name: str) -> tuple[bytes, str]:
    """Read an "Ole10Native" stream: size, flags, label, path, more of these, then size and content.

    Some programs store only the size and the content.
    """
    if data[4:6] != _LABELLED:
        return data[4 : 4 + int.from_bytes(data[:4], "little")], name
    label, _, rest = data[6:].partition(b"\0")
    path, _, rest = rest.partition(b"\0")
    shown = (label or path.rpartition(b"\\")[2]).decode("cp1252", "replace") or name
    temporary = int.from_bytes(rest[4:8], "little")
    rest = rest[8 + temporary :]
    size = int.from_bytes(rest[:4], "little")
    return rest[4 : 4 + size], _unicode_label(rest[4 + size :]) or shown


def _unicode_label(rest: bytes) -> str:
    """Return the label in UTF-16, the second of the texts that newer programs put after the content."""
    size = 0
    for _ in range(2):
        rest = rest[2 * size :]
        size, rest = int.from_bytes(rest[:4], "little"), rest[4:]
    return rest[: 2 * size].decode("utf-16-le", "replace").strip("\0") if size < _LONGEST_NAME else ""
