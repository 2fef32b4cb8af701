"""Files embedded in Office files: as they are, or within the OLE container that older programs use."""

from __future__ import annotations

import io
from collections.abc import Iterator

import olefile

from rag_core.extract.attached import Reader, attached, unread
from rag_core.extract.blocks import Item
from rag_core.signatures import OLE

_WHOLE = ("Package", "CONTENTS", "Contents")
_PACKED = "\x01Ole10Native"
_LABELLED = b"\x02\0"


def embedded(data: bytes, name: str, read: Reader, page: int, level: int = 1) -> Iterator[Item]:
    """Blocks of an embedded file, or its name with the reason why it was not read."""
    if data.startswith(OLE):
        data, name = _unpacked(data, name)
    if not data:
        yield from unread(name, "no program's file was found in it; save it as a file of its own", page)
        return
    yield from attached(data, name, read, page, level)


def _unpacked(data: bytes, name: str) -> tuple[bytes, str]:
    """The file within the container and its name; the container itself when it is an old Office file."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            for stream in _WHOLE:
                if ole.exists(stream):
                    return ole.openstream(stream).read(), name
            if ole.exists(_PACKED):
                return _native(ole.openstream(_PACKED).read(), name)
    except (OSError, ValueError, IndexError, TypeError, AttributeError):
        return b"", name
    return data, name


def _native(data: bytes, name: str) -> tuple[bytes, str]:
    """The parts of an "Ole10Native" stream: size, flags, label, path, more of these, size and content.

    Some programs store the size and the content only.
    """
    if data[4:6] != _LABELLED:
        return data[4 : 4 + int.from_bytes(data[:4], "little")], name
    label, _, rest = data[6:].partition(b"\0")
    path, _, rest = rest.partition(b"\0")
    shown = (label or path.rpartition(b"\\")[2]).decode("cp1252", "replace") or name
    temporary = int.from_bytes(rest[4:8], "little")
    rest = rest[8 + temporary :]
    size = int.from_bytes(rest[:4], "little")
    return rest[4 : 4 + size], shown
