"""RTF: text decoded by its code pages, headings, tables, notes, comments and embedded files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rag_core.extract.attached import Reader
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Picture,
    Unreadable,
    blocks,
    tables,
)
from rag_core.extract.embedded import embedded, linked, ole1
from rag_core.extract.rtf_fields import Field
from rag_core.extract.rtf_groups import (
    ALWAYS,
    BESIDE,
    CAPTURED,
    CHARACTERS,
    CLEAR,
    ENDS_OF_LINES,
    HEXADECIMAL,
    MARKS,
    RUNNING,
    UNREAD,
    Group,
    Sink,
)
from rag_core.extract.rtf_tokens import Fonts, Token, tokens
from rag_core.extract.running import RunningLines
from rag_core.extract.signs import drawn, is_of_signs

_MOST_BYTES = 128 * 1024 * 1024
_MOST_DEEP = 10_000
_HEADING = re.compile(r"heading ([1-9])", re.I)
_NO_HEXADECIMAL = re.compile(r"[^0-9A-Fa-f]+")


def parse(path: Path, read: Reader) -> Iterator[Item]:
    """Head and blocks of an RTF file; `read` gives the blocks of files within it."""
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable("too_large", "the file holds over 128 MiB; split it, or save it as DOCX")
    body = _Body(path.read_bytes(), read)
    begun = empty = True
    for item in body.items():
        if begun:  # the file's properties come before its text
            yield Head(title=body.title, pages=1)
        begun, empty = False, empty and not isinstance(item, Block)
        yield item
    if begun:
        yield Head(title=body.title, pages=1)
    if empty:
        raise Unreadable("no_text", "the RTF file holds no text")


class _Body:
    """The state of reading one file."""

    def __init__(self, data: bytes, read: Reader) -> None:
        self._data, self._read = data, read
        self._utf8 = _is_utf8(data)
        self._fonts, self._font = Fonts(), 0
        self._text = Sink()
        self._groups = [Group(self._text)]
        self._fresh = self._starred = False  # after "{" and after "{\\*"
        self._left = 0  # fallback characters still to skip after a Unicode one
        self._levels: dict[int, int] = {}  # style -> level of a heading
        self._style, self._outline, self._described_style = 0, 0, 0
        self._in_table = False
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self._after: list[Item] = []  # items to yield after the paragraph that contains them
        self._running = RunningLines()
        self._author = self._property = self._class = ""
        self._embedded = self._described = False
        self._fields: list[Field] = []
        self.title = ""

    def items(self) -> Iterator[Item]:
        """Yield everything in reading order."""
        for token in tokens(self._data):
            if token.word == "{":
                self._open()
                continue
            fresh, self._fresh = self._fresh, False
            if token.word == "*":
                self._starred = fresh
            elif token.word == "}":
                if len(self._groups) == 1:
                    continue  # one closing brace too many
                self._close()
            elif token.word and token.word != "bin":
                yield from self._control(token.word, token.number)
            else:
                self._stored(token)
        while len(self._groups) > 1:  # the file is truncated
            self._close()
        yield from self._paragraph()
        yield from self._table()

    def _stored(self, token: Token) -> None:
        text, group = token.text, self._groups[-1]
        if self._left and token.word != "bin":
            text, self._left = text[self._left :], max(0, self._left - len(text))
        if group.name == "fonttbl":
            self._fonts.learn_name(self._font, text)
        elif group.name in HEXADECIMAL and token.word == "bin":
            text = text.hex().encode()
        elif token.word == "bin":
            return
        if group.sink is None or group.deleted:
            return
        font = self._fonts.name_of(group.font)
        if is_of_signs(font) and group.name not in ALWAYS | HEXADECIMAL and group.name != "fldinst":
            group.sink.add_text(drawn(text.decode("latin-1"), font))
        elif self._utf8 and not token.sign and not text.isascii():
            group.sink.add_text(text.decode("utf-8", "replace"))
        else:
            group.sink.stored(text, self._fonts.page_of(group.font))

    def _add_text(self, text: str) -> None:
        group = self._groups[-1]
        if group.sink is not None and not group.deleted:
            group.sink.add_text(text)

    def _open(self) -> None:
        self._left, self._fresh, self._starred = 0, True, False
        if len(self._groups) > _MOST_DEEP:
            raise Unreadable("corrupt", "the RTF file opens more groups than a program writes; save it again")
        within = self._groups[-1]
        self._groups.append(within.opened())
        if within.begins == "stylesheet":
            self._begin("style")

    def _begin(self, name: str) -> None:
        """Begin a destination, which says what the group's text is."""
        group = self._groups[-1]
        group.name = group.begins = name
        if name in ALWAYS or (name in BESIDE and group.sink is not None):
            group.sink = Sink()
            if name == "pict":
                self._described = False
        elif name in UNREAD or name in BESIDE:
            group.sink = None
        elif name == "ud":  # the preceding text again, in Unicode
            group.sink = self._groups[-3].sink if len(self._groups) > 2 else group.sink
        elif name == "object":
            self._embedded, self._class = False, ""
        elif name == "field":
            self._fields.append(Field())
        elif name == "result" and self._embedded:
            group.sink = None

    def _close(self) -> None:
        self._left, self._starred = 0, False
        group = self._groups.pop()
        name = group.begins
        if not name:
            return
        text = group.sink.take() if group.sink is not None and name in CAPTURED else ""
        match name:
            case "title":
                self.title = " ".join(text.split())
            case "style":
                if found := _HEADING.match(text.strip()):
                    self._levels[self._described_style] = int(found[1])
            case "sn":
                self._property = text.strip()
            case "sv":
                self._shape(text)
            case "pict" if group.sink is not None and not group.deleted:
                self._after.append(Picture(_bytes(text), 1, described=self._described))
            case "objclass":
                self._class = text.strip()
            case "objdata":
                self._object(text)
            case "field":
                self._fields.pop()
            case "fldinst":
                self._add_text(self._fields[-1].shown(text) if self._fields else "")
            case "ffl":
                if self._fields:
                    self._fields[-1].choices.append(text.strip())
            case "atnauthor":
                self._author = text.strip()
            case "annotation" | "footnote":
                self._note(name, text)
            case "shptxt" | "dptxbxtext":
                if text.strip():
                    self._after += [Note(Part.TEXT_BOX), *blocks(BlockKind.TEXT, text, 1)]
            case _ if name in RUNNING:
                if self._running.new(text := " ".join(text.split())):
                    self._after += blocks(BlockKind.TEXT, text, 1)

    def _note(self, name: str, text: str) -> None:
        content = " ".join(text.split())
        if not content:
            return
        kind, label = (Part.NOTE, "Footnote") if name == "footnote" else (Part.COMMENT, "Comment")
        if name == "annotation" and self._author:
            label, self._author = f"Comment by {self._author}", ""
        self._after += [Note(kind), *blocks(BlockKind.TEXT, f"{label}: {content}", 1)]

    def _shape(self, text: str) -> None:
        """Handle a shape's property that holds text: the words of WordArt, a picture's description."""
        if self._property in {"gtextUNICODE", "gtext"}:
            self._after += blocks(BlockKind.TEXT, text, 1)
        elif self._property == "wzDescription" and text.strip() and not text.startswith("C:\\"):
            self._described = True
            self._after += blocks(BlockKind.TEXT, f"Picture: {text.strip()}", 1)

    def _object(self, hexadecimal: str) -> None:
        data, name, elsewhere = ole1(_bytes(hexadecimal), self._class)
        if elsewhere:
            self._after += linked(elsewhere)
            return
        self._embedded = True
        self._after += embedded(data, name, self._read, 1)

    def _control(self, word: str, number: int | None) -> Iterator[Item]:
        starred, self._starred = self._starred, False
        group = self._groups[-1]
        if starred and word not in CAPTURED | CLEAR | MARKS:
            group.name, group.sink = word, None
        elif starred or word in CAPTURED or word in UNREAD or word in MARKS or word == "ud":
            if word != "style":
                self._begin(word)
        elif word == "u":
            self._add_text(drawn(chr((number or 0) & 0xFFFF), self._fonts.name_of(group.font)))
            self._left = group.skip
        elif word in CHARACTERS:
            self._add_text(CHARACTERS[word])
        elif group.sink is self._text:
            yield from self._layout(word, number)
        elif group.sink is not None:
            self._add_text("\n" if word in ENDS_OF_LINES or word == "row" else "\t" if word == "cell" else "")
        self._property_of(word, number)

    def _layout(self, word: str, number: int | None) -> Iterator[Item]:
        """Handle the words that divide the text into paragraphs, headings and tables."""
        match word:
            case _ if word in ENDS_OF_LINES:
                if self._in_table:
                    self._add_text("\n")
                else:
                    yield from self._paragraph()
            case "pard":
                self._in_table, self._style, self._outline = False, 0, 0
            case "intbl":
                self._in_table = True
            case "s":
                self._style = number or 0
            case "outlinelevel":
                self._outline = (number or 0) + 1
            case "cell":
                self._row.append(self._text.take())
            case "nestcell" | "nestrow":
                self._add_text(" ")
            case "row":
                if self._row:
                    self._rows.append(self._row)
                self._row = []

    def _property_of(self, word: str, number: int | None) -> None:
        """Handle a property of the text that follows in this group."""
        group = self._groups[-1]
        match word:
            case "uc":
                group.skip = max(0, number if number is not None else 1)
            case "f":
                group.font = self._font = number or 0
            case "plain":
                group.font, group.deleted = self._fonts.usual, False
            case "deleted":
                group.deleted = number != 0
            case "s" if group.name == "style":
                self._described_style = number or 0
            case "fftype" | "ffres" | "ffdefres" if self._fields:
                self._fields[-1].learn(word, number)
            case _:
                self._fonts.learn(word, number, self._font)

    def _paragraph(self) -> Iterator[Item]:
        text = self._text.take()
        if text.strip() and not self._row:
            yield from self._table()
            level = self._levels.get(self._style, 0) or (self._outline if self._outline < 10 else 0)
            yield from blocks(BlockKind.HEADING if level else BlockKind.TEXT, text, 1, level)
        elif text.strip():
            self._row.append(text)
        if not self._in_table:
            yield from self._table()
            yield from self._after
            self._after = []

    def _table(self) -> Iterator[Item]:
        rows, self._rows = [*self._rows, self._row], []
        self._row = []
        if any(cell.strip() for row in rows for cell in row):
            yield Note(Part.TABLE)
            yield from tables(rows, 1)


def _bytes(hexadecimal: str) -> bytes:
    digits = _NO_HEXADECIMAL.sub("", hexadecimal)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _is_utf8(data: bytes) -> bool:
    """Whether the text is UTF-8, which RTF does not allow but some programs write."""
    if data.isascii():
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
