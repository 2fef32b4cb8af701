"""E-mail (.eml): who, when, what about; the text; and the attachments, read as files of their own."""

from __future__ import annotations

import email
import email.policy
import tempfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

from rag_core.errors import UploadRefused
from rag_core.extract import html
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Pulse, Unreadable, blocks, clean
from rag_core.models import DocumentKind
from rag_core.sniff import sniff

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_MAX_DEPTH = 3
_MAX_ATTACHMENTS = 100
# Attachments pass through the container's small memory disk.
_MAX_ATTACHED_BYTES = 32 * 1024 * 1024

Reader = Callable[[Path, DocumentKind], Iterator[Item]]


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of a message.

    `read` gives the blocks of an attached file; whatever is wrong with that must come as Unreadable.
    """
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
    yield Head(title=_header(message, "Subject"), pages=1)
    empty = True
    for item in _message(message, read, 0):
        empty = empty and not isinstance(item, Block)
        yield item
    if empty:
        raise Unreadable("no_text", "the message holds neither headers nor text")


def _header(message: EmailMessage, name: str) -> str:
    try:
        return clean(str(message.get(name, ""))).replace("\n", " ")
    except (
        ValueError,
        AttributeError,
        IndexError,
        TypeError,
    ):  # the header parser trips over some of the worst
        return ""


def _message(message: EmailMessage, read: Reader, depth: int) -> Iterator[Item]:
    lines = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    yield from blocks(BlockKind.TEXT, "\n".join(lines), 1)
    body = message.get_body(preferencelist=("plain", "html"))
    if isinstance(body, EmailMessage):
        text = _text(body)
        if body.get_content_type() == "text/html":
            yield from html.read(text, 1)[1]
        else:
            for paragraph in _unquoted(text).split("\n\n"):
                yield from blocks(BlockKind.TEXT, paragraph, 1)
    attached = [part for part in message.iter_attachments() if isinstance(part, EmailMessage)]
    for number, part in enumerate(attached[:_MAX_ATTACHMENTS], 1):
        name = part.get_filename() or f"part {number}"
        yield from blocks(BlockKind.HEADING, f"Attachment: {name}", 1, 1 + depth)
        if part.get_content_type() == "message/rfc822" and depth < _MAX_DEPTH:
            for inner in part.iter_parts():
                if isinstance(inner, EmailMessage):
                    yield from _message(inner, read, depth + 1)
        else:
            yield from _attachment(part, name, read, depth)
        yield Pulse(0)


def _attachment(part: EmailMessage, name: str, read: Reader, depth: int) -> Iterator[Item]:
    """The attached file's blocks; one that cannot be read is named with the reason, and spoils nothing."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    yield from blocks(
        BlockKind.TEXT, f"Attached file {name}, {part.get_content_type()}, {len(data):,} bytes.", 1
    )
    if len(data) > _MAX_ATTACHED_BYTES:
        yield from blocks(BlockKind.TEXT, "It is too large to be read from here; add it by itself.", 1)
        return
    with tempfile.NamedTemporaryFile(prefix="attached-") as copy:
        copy.write(data)
        copy.flush()
        path = Path(copy.name)
        how_far = ""
        try:
            kind = sniff(path, name)
            if kind is DocumentKind.EMAIL and depth >= _MAX_DEPTH:
                return
            for item in read(path, kind):
                if isinstance(item, Block):
                    how_far = " to its end"
                    yield Block(item.kind, item.text, 1, item.level + 1 if item.level else item.level)
                elif isinstance(item, Pulse):
                    yield Pulse(0)
        except (UploadRefused, Unreadable) as error:
            yield from blocks(BlockKind.TEXT, f"It was not read{how_far}: {error.message}", 1)


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or "utf-8"
    try:
        return data.decode(charset, errors="replace")
    except LookupError:  # a charset that no one knows
        return data.decode("utf-8", errors="replace")


def _unquoted(text: str) -> str:
    """The text without the marks of a quoted reply at its lines' beginnings."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.lstrip("> ") if line.startswith(">") else line for line in lines)
