"""A compound file (OLE, MS-CFB) with one stream, as Office keeps embedded objects."""

from __future__ import annotations

import struct

_SECTOR = 512
_LEAST = 4096  # a smaller stream would lie in a stream of small ones
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def ole(name: str, content: bytes) -> bytes:
    """The container; a short stream is filled up with zeros."""
    content = content.ljust(_LEAST, b"\0")
    sectors = -(-len(content) // _SECTOR)
    tables = -(-(sectors + 2) // (_SECTOR // 4 - 1))
    chain = [_FAT] * tables + [_END] + [*range(tables + 2, tables + 1 + sectors), _END]
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(tables * _SECTOR, b"\xff")
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, tables, tables, 0, _LEAST, _END, 0, _END, 0, 0,
    )[:76]  # fmt: skip
    header += struct.pack("<109I", *range(tables), *[_FREE] * (109 - tables))
    entries = _entry("Root Entry", 5, 1, _END, 0) + _entry(name, 2, _FREE, tables + 1, len(content))
    whole = header + fat + entries.ljust(_SECTOR, b"\0") + content
    return whole + bytes(-len(whole) % _SECTOR)


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    stored = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16sIQQIQ", stored, len(stored), kind, 1, _FREE, _FREE, child, b"", 0, 0, 0, start, size
    )
