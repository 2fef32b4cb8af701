"""Compound files (OLE) and Outlook messages, built by hand: no maintained library writes them.

The formats are [MS-CFB] for the container and [MS-OXMSG] for the message in it.
"""

from __future__ import annotations

import struct

_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_PID_CODE_PAGE, _PID_BODY_CODE_PAGE = 0x3FFD, 0x3FDE


def compound(streams: dict[str, bytes]) -> bytes:
    """A container of streams, with its directory as a plain chain; streams under 4,096 bytes share one."""
    large, small = _Sectors(512), _Sectors(64)
    placed = [
        (name, (large if len(data) >= 4096 else small).put(data), len(data)) for name, data in streams.items()
    ]
    shared = b"".join(small.data)
    entries = [_entry("Root Entry", 5, _FREE, 1, large.put(shared), len(shared))]
    for number, (name, place, size) in enumerate(placed, 1):
        entries.append(_entry(name, 2, number + 1 if number < len(placed) else _FREE, _FREE, place, size))
    directory = large.put(b"".join(entries))
    small_table = large.put(struct.pack(f"<{len(small.next)}I", *small.next), b"\xff")
    table = len(large.data)
    large.next.append(_TABLE)
    assert len(large.next) <= 128, "one sector holds the table"
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6)
    head += bytes(6) + struct.pack("<9I", 0, 1, directory, 0, 4096, small_table, 1, _END, 0)
    head += struct.pack("<109I", table, *[_FREE] * 108)
    fat = struct.pack("<128I", *large.next, *[_FREE] * (128 - len(large.next)))
    return head + b"".join(large.data) + fat


class _Sectors:
    """Data in sectors of a fixed size, each with the number of the next sector."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data: list[bytes] = []
        self.next: list[int] = []

    def put(self, data: bytes, filler: bytes = b"\0") -> int:
        """Add the data; returns the number of its first sector."""
        first = len(self.data)
        pieces = [data[at : at + self.size].ljust(self.size, filler) for at in range(0, len(data), self.size)]
        self.data += pieces
        self.next += [*range(first + 1, first + len(pieces)), _END] if pieces else []
        return first if pieces else _END


def message(body: bytes, code_page: int, subject: bytes = b"Fees", html: bytes = b"") -> bytes:
    """A message as Outlook saves it, with its texts in an 8-bit code page."""
    texts = {(0x0037, 0x1E): subject, (0x1000, 0x1E): body, (0x1013, 0x102): html}
    texts = {key: data for key, data in texts.items() if data}
    properties = bytes(32)
    for pid in (_PID_CODE_PAGE, _PID_BODY_CODE_PAGE):
        properties += struct.pack("<HHIII", 3, pid, 6, code_page, 0)
    for (pid, kind), data in texts.items():
        properties += struct.pack("<HHIII", kind, pid, 6, len(data) + 1, 0)
    streams = {f"__substg1.0_{pid:04X}{kind:04X}": data for (pid, kind), data in texts.items()}
    return compound({"__properties_version1.0": properties} | streams)


def _entry(name: str, kind: int, right: int, child: int, place: int, size: int) -> bytes:
    written = name.encode("utf-16-le").ljust(64, b"\0")
    head = written + struct.pack("<HBB3I", len(name) * 2 + 2, kind, 1, _FREE, right, child)
    return head + bytes(36) + struct.pack("<IQ", place, size)
