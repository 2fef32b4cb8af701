"""Checks files that are zip archives (Office, EPUB) before anything is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rag_core.extract import archives
from rag_core.extract.blocks import Unreadable

# A document of 500 pages unpacks to some 10 MiB; one that exceeds this is an attack.
_MAX_UNPACKED_BYTES = 300 * 1024 * 1024
_MAX_ENTRIES = 50_000
# One part is parsed as a whole; markup takes about ten times its size in memory.
MAX_PART_BYTES = 60 * 1024 * 1024


def check(path: Path, what: str, *, stream: str = "") -> None:
    """Raise Unreadable unless the archive is whole, open and of a sane size.

    `stream` is the prefix of parts that are read piece by piece, whose size does no harm.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except FileNotFoundError:
        raise  # a fault of the store, not of the file
    except archives.DAMAGED as error:
        raise Unreadable(
            "corrupt", f"the {what} breaks off or is damaged; copy or download it again"
        ) from error
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable("encrypted", f"the {what} is locked with a password; save a copy without one")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _MAX_UNPACKED_BYTES or len(entries) > _MAX_ENTRIES:
        raise Unreadable(
            "zip_bomb",
            f"the {what} unpacks to {unpacked // 2**20:,} MiB in {len(entries):,} parts, more than the"
            f" {_MAX_UNPACKED_BYTES // 2**20} MiB in {_MAX_ENTRIES:,} allowed; remove large embedded objects",
        )
    markup = [e for e in entries if e.filename.endswith((".xml", ".html", ".xhtml", ".htm", ".rels"))]
    for entry in markup:
        if entry.file_size > MAX_PART_BYTES and not (stream and entry.filename.startswith(stream)):
            raise Unreadable(
                "zip_bomb",
                f"one part of the {what} unpacks to {entry.file_size // 2**20:,} MiB of markup, more than the"
                f" {MAX_PART_BYTES // 2**20} MiB allowed; split the document",
            )
