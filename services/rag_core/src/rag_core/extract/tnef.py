"""winmail.dat (TNEF), Outlook's own container for text and attachments."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from tnefparse import TNEF

from rag_core.extract import encoding, html
from rag_core.extract.attached import MAX_FILES, Reader, attached, unread
from rag_core.extract.blocks import BlockKind, Item, blocks


def read(data: bytes, name: str, reader: Reader, page: int, level: int) -> Iterator[Item]:
    """Yield its text and attachments; a file that cannot be read is reported with what to do."""
    logging.getLogger("tnef-decode").setLevel(logging.CRITICAL)  # it would quote the document
    try:
        packed = TNEF(data, do_checksum=False)
        body, markup = packed.body, packed.htmlbody
        files = [
            (str(one.long_filename() or one.name or ""), bytes(one.data or b"")) for one in packed.attachments
        ]
    except Exception as error:  # noqa: BLE001 - the library raises anything on hostile bytes
        why = f"it is damaged ({type(error).__name__}); ask its sender for plain files"
        yield from unread(name, why, page)
        return
    if markup:
        yield from html.read(_text(markup), page)[1]
    elif body:
        for paragraph in _text(body).replace("\r\n", "\n").split("\n\n"):
            yield from blocks(BlockKind.TEXT, paragraph, page)
    for number, (inner, content) in enumerate(files[:MAX_FILES], 1):
        yield from attached(content, inner.strip("\0 ") or f"{name}, part {number}", reader, page, level)
    if not (files or body or markup):
        yield from unread(name, "nothing was found in it; ask its sender for plain files", page)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else encoding.decoded(value)[0]
