"""Outlook's messages (.msg) by python-oxmsg: headers, text and attachments."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from oxmsg import Message
from oxmsg import properties as stored
from oxmsg.domain import constants, encodings, model

from rag_core.extract import encoding, html
from rag_core.extract.attached import MAX_FILES, Reader, attached, unread
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Pulse, Unreadable, blocks

_RECIPIENTS = {1: "To", 2: "Cc", 3: "Bcc"}  # MAPI_TO and the others, [MS-OXOMSG] 2.2.3.1
_MESSAGE_CLASS_LOCKED = "smime"
_named = encodings.encoding_from_codepage


def _codec(codepage: int) -> str:
    """Return Python's name for a Windows code page; empty if neither Python nor python-oxmsg knows it."""
    for name in (f"cp{codepage}", f"windows-{codepage}"):
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    try:
        return _named(codepage)
    except (model.UnrecognizedCodePageError, model.UnsupportedEncodingError):
        return ""


class _Text(stored.String8Property):
    """8-bit text: its code page may be unknown to Python, or not the one the text is really in."""

    @property
    def value(self) -> str:
        """The text; an invalid byte becomes U+FFFD."""
        label = self._body_encoding if self.pid == constants.PID_BODY else self._str_prop_encoding
        data: bytes = self._storage.property_stream_bytes(self.pid, self.ptyp)
        return encoding.decoded(data, label)[0]


# python-oxmsg has no setting for either. Without this, a code page that Python knows by another name makes
# the whole message unreadable.
encodings.encoding_from_codepage = _codec
setattr(stored, "String8Property", _Text)  # noqa: B010 - a type is not assigned to


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of a message that Outlook saved."""
    message = Message.load(str(path))
    subject = message.subject or ""
    yield Head(title=subject, pages=1)
    if _MESSAGE_CLASS_LOCKED in str(message.message_class or "").lower() and not message.body:
        raise Unreadable("encrypted", "the message is encrypted; save it decrypted and add that")
    empty = True
    for item in _items(message, subject, read):
        empty = empty and not isinstance(item, Block)
        yield item
    if empty:
        raise Unreadable("no_text", "the message holds neither headers nor text")


def _items(message: Message, subject: str, read: Reader) -> Iterator[Item]:
    when = message.sent_date.strftime("%a, %d %b %Y %H:%M %z") if message.sent_date else ""
    lines = {"From": message.sender or ""} | people(message.recipients) | {"Date": when, "Subject": subject}
    yield from blocks(BlockKind.TEXT, "\n".join(f"{name}: {text}" for name, text in lines.items() if text), 1)
    data = message.properties.binary_prop_value(constants.PID_HTML)
    markup = encoding.decoded(data, message.properties.body_encoding)[0] if data else message.html_body
    if message.body and message.body.strip():
        for paragraph in message.body.replace("\r\n", "\n").split("\n\n"):
            yield from blocks(BlockKind.TEXT, paragraph, 1)
    elif markup:
        yield from html.read(markup, 1)[1]
    for number, part in enumerate(message.attachments, 1):
        name = part.file_name or f"attachment {number}"
        if number > MAX_FILES:
            yield from unread(name, f"only the first {MAX_FILES} attachments are read; add it by itself", 1)
        elif (data := part.file_bytes) is None:
            why = "it is a message or an object within the message; save it by itself and add that"
            yield Note(Part.ATTACHMENT, read=False, message=f"attachment {name} was not read: {why}")
        else:
            yield from attached(data, name, read, 1)
        yield Pulse(1)


def people(recipients: Iterable[Any]) -> dict[str, str]:
    """Return the header lines of the recipients, with To, Cc and Bcc kept apart."""
    found: dict[str, list[str]] = {name: [] for name in _RECIPIENTS.values()}
    for one in recipients:
        kind = one.properties.int_prop_value(constants.PID_RECIPIENT_TYPE)
        found[_RECIPIENTS.get((kind or 1) & 0xF, "To")] += filter(None, [_person(one)])
    return {name: ", ".join(persons) for name, persons in found.items()}


def _person(recipient: object) -> str:
    name, address = getattr(recipient, "name", "") or "", getattr(recipient, "email_address", "") or ""
    return f"{name} <{address}>" if name and address and name != address else name or address
