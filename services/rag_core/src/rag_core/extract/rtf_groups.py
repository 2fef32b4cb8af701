"""The groups of RTF: what a brace opens and closes, and what becomes of the text within."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

RUNNING = {f"{kind}{pages}" for kind in ("header", "footer") for pages in ("", "l", "r", "f")}
# Destinations whose text is put together and given when their group ends; the second ones, only where
# the group around them is read.
ALWAYS = {"title", "style", "sn", "sv", "objclass", "objdata"}
BESIDE = RUNNING | {"footnote", "annotation", "atnauthor", "shptxt", "dptxbxtext", "fldinst", "ffl", "pict"}
HEXADECIMAL = {"objdata", "pict"}
CAPTURED = ALWAYS | BESIDE
# Starred ones (others may be passed over) with text that is read where it is.
CLEAR = {"shppict", "shpinst", "picprop", "formfield", "ud", "do", "shpgrp", "nesttableprops"}
# Without a star, and no text of the document: tables of fonts and colours, and a second edition of a part.
UNREAD = {
    "fonttbl", "colortbl", "stylesheet", "info", "nonshppict", "nonesttables", "shprslt", "upr",
    "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "xe", "tc", "tcn", "rxe", "txe", "private",
    "falt",
}  # fmt: skip
# With no text of their own, but something happens where they begin or end.
MARKS = {"object", "field", "result"}
CHARACTERS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "page": "\n", "column": "\n", "emdash": "\u2014",
    "endash": "\u2013", "emspace": " ", "enspace": " ", "qmspace": " ", "bullet": "\u2022",
    "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d", "~": "\u00a0",
    "_": "-", "zwj": "\u200d", "zwnj": "\u200c",
}  # fmt: skip
ENDS_OF_LINES = {"par", "sect", "\n", "\r"}


@dataclass(slots=True)
class Sink:
    """Where text goes: decoded pieces, and stored bytes that wait for the rest of a letter."""

    pieces: list[str] = field(default_factory=list)
    waiting: bytearray = field(default_factory=bytearray)
    page: str = ""

    def stored(self, data: bytes, page: str) -> None:
        """Text as the file stores it; a letter of two bytes may come in two tokens."""
        if page != self.page:
            self._decode()
            self.page = page
        self.waiting += data

    def add_text(self, text: str) -> None:
        """Text that is Unicode already."""
        self._decode()
        self.pieces.append(text)

    def take(self) -> str:
        """All of it, once. Letters above U+FFFF come as two halves, which are put together here."""
        self._decode()
        text = "".join(self.pieces)
        self.pieces.clear()
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _decode(self) -> None:
        if self.waiting:
            self.pieces.append(self.waiting.decode(self.page, "replace"))
            self.waiting.clear()


@dataclass(slots=True)
class Group:
    """What holds until the brace closes."""

    sink: Sink | None  # None: the text is not read
    name: str = ""  # the destination
    begins: str = ""  # the destination that began with this very group
    font: int | None = None
    skip: int = 1  # \uc: how many characters stand for one of Unicode
    deleted: bool = False

    def opened(self) -> Group:
        """A group within this one."""
        return replace(self, begins="")
