"""A file inside another: read as a part of it, or reported with the reason why it was not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from rag_core.errors import UploadRefused
from rag_core.extract import packed
from rag_core.extract.blocks import Block, BlockKind, Item, Note, Part, Picture, Pulse, Unreadable, blocks
from rag_core.extract.signatures import picture_format
from rag_core.extract.sniff import PlainArchive, sniff
from rag_core.models import DocumentKind

# Attachments are written to the container's small memory disk.
MAX_BYTES = packed.MAX_FILE_BYTES
MAX_FILES = 100

Reader = Callable[[Path, DocumentKind], Iterator[Item]]


def attached(
    data: bytes, name: str, read: Reader, page: int, level: int = 1, room: packed.Room | None = None
) -> Iterator[Item]:
    """Yield the blocks of an attached file, on the page it is attached to, and a note of the outcome.

    `read` gives a file's blocks and must raise Unreadable for every fault. The files in a plain archive are
    read as far as `room` allows.
    """
    yield from blocks(BlockKind.HEADING, f"Attachment: {name}", page, level)
    if len(data) > MAX_BYTES:
        yield from unread(name, "it is too large to be read from here; add it by itself", page)
        return
    if picture_format(data):
        yield Picture(data, page, name=name)
        return
    with tempfile.NamedTemporaryFile(prefix="attached-") as copy:
        path = Path(copy.name)
        try:
            path.write_bytes(data)
        except OSError:  # the disk also holds the files that contain this one
            yield from unread(
                name, "there is no room to open it within this document; add it by itself", page
            )
            return
        begun = False
        try:
            for item in read(path, sniff(path, name)):
                match item:
                    case Block():
                        begun = True
                        yield replace(item, page=page, level=item.level + level if item.level else 0)
                    case Note():
                        yield replace(item, message=item.message and f"attachment {name}: {item.message}")
                    case Pulse():
                        yield Pulse(page)
        except PlainArchive:
            yield from packed.files(
                path,
                name,
                room or packed.Room(),
                lambda inner, its_name, left: attached(inner, its_name, read, page, level + 1, left),
                partial(unread, page=page),
            )
            return
        except (UploadRefused, Unreadable) as error:
            how = "was not read to its end" if begun else "was not read"
            yield from unread(name, error.message, page, how)
            return
    yield Note(Part.ATTACHMENT, message=f"attachment {name} was read as part of this document")


def unread(name: str, why: str, page: int, how: str = "was not read") -> Iterator[Item]:
    """Yield a text and a note in place of an attachment that was not read, or not completely."""
    yield from blocks(BlockKind.TEXT, f"The attached file {name} {how}: {why}.", page)
    yield Note(Part.ATTACHMENT, read=False, message=f"attachment {name} {how}: {why}")
