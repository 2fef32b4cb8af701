"""E-mail (.eml, .emlx, mbox): headers, every part of the text, and attachments as files."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import math
import quopri
import re
from collections.abc import Callable, Iterable, Iterator
from email.message import EmailMessage
from email.utils import collapse_rfc2231_value
from pathlib import Path

from rag_core.extract import calendar, encoding, html, tnef
from rag_core.extract.attached import MAX_FILES, Reader, attached, unread
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Picture,
    Pulse,
    Unreadable,
    blocks,
    clean,
)

_SHOWN = ("From", "To", "Cc", "Bcc", "Date", "Subject")
_MAX_DEPTH = 3
# The line before each message of an mbox, and before a single message that some programs export.
_SEPARATOR = re.compile(rb"From \S.{0,200}\d{4}\s*$")
_LENGTH = re.compile(rb"\d{1,12}\s*$")  # Apple Mail's files begin with it
_LINKS = re.compile(r"\S{1,20}://\S+|\[(?:image|cid)[^\]]{0,200}\]|\[\d{1,3}\]")
_PLACEHOLDER = re.compile(r"\b(?:html|browser|mime)\b", re.IGNORECASE)
_SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
_LOCKED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
_MARKED = {"text/html", "text/enriched", "text/richtext"}
_LETTERS = {"message/rfc822", "message/global", "message/news"}
_ELSEWHERE = ("access-type", "url", "site", "directory", "server")  # where an external body is
_LONGEST_PLACE = 300
_ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64decode,
    "quoted-printable": quopri.decodestring,
}
_TNEF = {"application/ms-tnef", "application/vnd.ms-tnef"}


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of a message, or of a mailbox, where each message counts as a page.

    `read` gives the blocks of an attached file and must raise Unreadable for every fault.
    """
    with path.open("rb") as file:
        letters = sum(1 for _ in _letters(file))
    empty = True
    with path.open("rb") as file:
        for number, letter in enumerate(_letters(file), 1):
            message = email.message_from_bytes(letter, policy=email.policy.default)
            assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
            subject = _header(message, "Subject")
            if number == 1:
                yield Head(title=subject if letters == 1 else "", pages=letters)
            if letters > 1:
                yield from blocks(BlockKind.HEADING, subject or f"Message {number}", number, 1)
            for item in _Letter(read, number, "message" if letters > 1 else "").items(message):
                empty = empty and not isinstance(item, Block)
                yield item
            yield Pulse(number)
    if empty:
        raise Unreadable("no_text", "the message holds neither headers nor text")


def _letters(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the messages of a file: one, or those of a mailbox, separated by "From " lines."""
    held: list[bytes] = []
    blank, left = True, math.inf
    for number, line in enumerate(lines):
        if number == 0 and _LENGTH.fullmatch(line):
            left = int(line)  # Apple Mail stores metadata after the message
            continue
        if left <= 0:
            break
        left -= len(line)
        if blank and _SEPARATOR.match(line):
            if any(map(bytes.strip, held)):
                yield b"".join(held)
            held = []
            continue
        blank = not line.strip()
        # A text line that looks like a separator was quoted when it was stored.
        held.append(line[1:] if line.startswith(b">From ") else line)
    if held:
        yield b"".join(held)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return clean(str(message.get(name, ""))).replace("\n", " ")
    except (
        ValueError,
        AttributeError,
        IndexError,
        TypeError,
    ):  # the header parser fails on some malformed ones
        return ""


class _Letter:
    """One message: the content of its parts, in order."""

    def __init__(self, read: Reader, page: int, where: str) -> None:
        self._read = read
        self._page = page
        self._where = where  # place reported for its pictures
        self._files = 0

    def items(self, message: EmailMessage, depth: int = 0) -> Iterator[Item]:
        """Yield headers, text and attachments of the message and of the messages within it."""
        lines = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
        yield from blocks(BlockKind.TEXT, "\n".join(lines), self._page)
        yield from self._part(message, depth)

    def _part(self, part: EmailMessage, depth: int) -> Iterator[Item]:
        kind = part.get_content_type()
        if kind in _SIGNATURES:
            return
        if kind in _LOCKED or kind == "multipart/encrypted":
            why = "it is encrypted; save it decrypted and add that"
            if str(part.get_param("smime-type", "")).lower() in {"signed-data", "certs-only"}:
                why = "its text is within a signature (S/MIME); save it as plain text and add that"
            yield from unread("of this message", why, self._page)
        elif kind == "multipart/alternative":
            yield from self._richest(part, depth)
        elif kind in _LETTERS:
            yield from self._inner(part, depth)
        elif part.is_multipart():
            if kind == "message/external-body":
                yield from self._elsewhere(part)
            elif kind == "message/partial":
                yield from self._piece(part)
            elif part.get_content_maintype() == "message":
                yield from self._fields(part)
            for inner in part.iter_parts():
                if isinstance(inner, EmailMessage):
                    yield from self._part(inner, depth)
        elif (
            part.is_attachment()
            or part.get_content_maintype() != "text"
            or part.get_filename()
            or kind == "text/rtf"
        ):
            yield from self._file(part, kind, depth)
        else:
            yield from self._text(part, kind)

    def _richest(self, part: EmailMessage, depth: int) -> Iterator[Item]:
        """Yield one of the alternatives of the same text: HTML if the plain one lacks its words."""
        inner = [one for one in part.iter_parts() if isinstance(one, EmailMessage)]
        plain = next((one for one in inner if one.get_content_type() == "text/plain"), None)
        rest = [one for one in inner if one is not plain and one.get_content_type() != "text/calendar"]
        if plain is not None and rest:
            yield from self._both(
                [*self._part(plain, depth)], [i for one in rest for i in self._part(one, depth)]
            )
        else:
            for one in rest or ([plain] if plain is not None else []):
                yield from self._part(one, depth)
        for one in inner:
            if one.get_content_type() == "text/calendar":
                yield from self._part(one, depth)

    def _both(self, plain: list[Item], other: list[Item]) -> Iterator[Item]:
        """Yield the alternative with more of the words, then what only the other one contains."""
        if _holds(_text(plain), _text(other)):
            first, second = plain, other
        else:
            first, second = other, [one for one in plain if not _stands_in(one)]
        yield from first
        words, more = _words(_text(first)), 0
        for one in second:
            if not isinstance(one, Block):
                yield one
            elif not _words(one.text) <= words:
                more += 1
                yield one
        if more:
            message = (
                "the plain and the HTML text of the message differ; what only one of them says was read, too"
            )
            yield Note(Part.TEXT, 0, message=message)

    def _text(self, part: EmailMessage, kind: str) -> Iterator[Item]:
        text, how = _decoded(part)
        if how.invalid:
            yield Note(Part.TEXT, 0, message=how.remark)
        if kind in _MARKED:
            yield from html.read(text, self._page, self._where)[1]
        elif kind == "text/calendar":
            yield from calendar.read(text, self._page)
        else:
            for paragraph in _unquoted(text).split("\n\n"):
                yield from blocks(BlockKind.TEXT, paragraph, self._page)

    def _fields(self, part: EmailMessage) -> Iterator[Item]:
        """Yield a program's report: why a message was not delivered, or that it was read."""
        for inner in part.iter_parts():
            if isinstance(inner, EmailMessage):
                fields = "\n".join(f"{name}: {_header(inner, name)}" for name in dict.fromkeys(inner.keys()))
                yield from blocks(BlockKind.TEXT, fields, self._page)

    def _elsewhere(self, part: EmailMessage) -> Iterator[Item]:
        """Report an attachment that the message only links to; it is not fetched."""
        text = [f"{name} {value}" for name in _ELSEWHERE if (value := _parameter(part, name))]
        place = f" ({', '.join(text)})" if text else ""
        name = part.get_filename() or "kept elsewhere"
        yield from unread(
            name, f"it is not in the message but elsewhere{place}; fetch it and add it by itself", self._page
        )

    def _piece(self, part: EmailMessage) -> Iterator[Item]:
        """Report a fragment of a message that was sent as several messages."""
        number, total = _parameter(part, "number") or "?", _parameter(part, "total") or "?"
        yield Note(
            Part.TEXT,
            read=False,
            message=f"only piece {number} of {total} of the message is here; join the pieces in a mail"
            " program and add the whole message",
        )

    def _inner(self, part: EmailMessage, depth: int) -> Iterator[Item]:
        name = part.get_filename() or "message"
        for found in part.iter_parts():
            if isinstance(found, EmailMessage):
                inner = _whole(found, str(part.get("Content-Transfer-Encoding", "")))
                yield from blocks(BlockKind.HEADING, f"Attachment: {name}", self._page, 1 + depth)
                if depth < _MAX_DEPTH:
                    yield from self.items(inner, depth + 1)
                    yield Note(Part.ATTACHMENT)
                else:
                    yield from unread(
                        name, "it is too deep within other messages; add it by itself", self._page
                    )

    def _file(self, part: EmailMessage, kind: str, depth: int) -> Iterator[Item]:
        data = _payload(part)
        if part.get_content_maintype() == "image" and not part.is_attachment():
            yield Picture(data, self._page, self._where)
            return
        self._files += 1
        name = part.get_filename() or f"part {self._files}"
        if self._files > MAX_FILES:
            yield from unread(
                name, f"only the first {MAX_FILES} attachments are read; add it by itself", self._page
            )
        elif kind in _TNEF or name.lower() == "winmail.dat":
            yield from tnef.read(data, name, self._read, self._page, 1 + depth)
        else:
            yield from attached(data, name, self._read, self._page, 1 + depth)
        yield Pulse(self._page)


def _whole(message: EmailMessage, stored: str) -> EmailMessage:
    """Return an attached message; some programs encode it, although the standard forbids that."""
    decode = _ENCODED.get(stored.strip().lower())
    # Some programs only declare an encoding, and the message is not encoded.
    if decode is None:
        return message
    try:
        data = message.as_bytes()
        if message.keys() and b"=3D" not in data.partition(b"\n\n")[0]:
            return message
        found = email.message_from_bytes(decode(data), policy=email.policy.default)
    except (binascii.Error, ValueError, LookupError):
        return message
    return found if isinstance(found, EmailMessage) and found.keys() else message


def _holds(plain: str, other: str) -> bool:
    """Whether the plain alternative has nearly all words of the other one; a placeholder has not."""
    words = _words(other)
    return len(words & _words(plain)) * 10 >= len(words) * 8


def _text(items: list[Item]) -> str:
    return "\n".join(item.text for item in items if isinstance(item, Block))


def _words(text: str) -> set[str]:
    """Return the words that alternatives of a text share: no addresses or numbers of links, no symbols."""
    found = re.findall(r"\w+", _LINKS.sub(" ", text).lower())
    return {word for word in found if len(word) > 1 or word.isdigit()}


def _stands_in(item: Item) -> bool:
    """Whether a block only says that there is another alternative."""
    return isinstance(item, Block) and len(item.text) < 300 and bool(_PLACEHOLDER.search(item.text))


def _payload(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _parameter(part: EmailMessage, name: str) -> str:
    """Return a parameter of a part's content type, on one line."""
    value = part.get_param(name)
    return clean(collapse_rfc2231_value(value)).replace("\n", " ")[:_LONGEST_PLACE] if value else ""


def _decoded(part: EmailMessage) -> tuple[str, encoding.Encoding]:
    return encoding.decoded(_payload(part), part.get_content_charset() or "")


def _unquoted(text: str) -> str:
    """Return the text without the marks of a quoted reply at the beginning of lines."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.lstrip("> ") if line.startswith(">") else line for line in lines)
