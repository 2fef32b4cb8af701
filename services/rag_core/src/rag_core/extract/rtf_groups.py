"""The groups of RTF: what a brace opens and closes, and what happens to the text within."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

RUNNING = {f"{kind}{pages}" for kind in ("header", "footer") for pages in ("", "l", "r", "f")}
# Destinations whose text is collected and handled when their group ends; those in BESIDE only if the group
# around them is read.
ALWAYS = {"title", "style", "sn", "sv", "objclass", "objdata"}
BESIDE = RUNNING | {"footnote", "annotation", "atnauthor", "shptxt", "dptxbxtext", "fldinst", "ffl", "pict"}
HEXADECIMAL = {"objdata", "pict"}
CAPTURED = ALWAYS | BESIDE
# Starred destinations (unknown ones may be skipped) whose text is read in place.
CLEAR = {"shppict", "shpinst", "picprop", "formfield", "ud", "do", "shpgrp", "nesttableprops"}
# Destinations without a star that are not text of the document: font and colour tables, duplicate versions.
UNREAD = {
    "fonttbl", "colortbl", "stylesheet", "info", "nonshppict", "nonesttables", "shprslt", "upr",
    "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "xe", "tc", "tcn", "rxe", "txe", "private",
    "falt",
}  # fmt: skip
# Destinations without text of their own, where something happens at their beginning or end.
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
    """Collects text: decoded pieces, and stored bytes that wait for the rest of a character."""

    pieces: list[str] = field(default_factory=list)
    waiting: bytearray = field(default_factory=bytearray)
    page: str = ""

    def stored(self, data: bytes, page: str) -> None:
        """Add text as the file stores it; a two-byte character may come in two tokens."""
        if page != self.page:
            self._decode()
            self.page = page
        self.waiting += data

    def add_text(self, text: str) -> None:
        """Add text that is already Unicode."""
        self._decode()
        self.pieces.append(text)

    def take(self) -> str:
        """Return all text and empty the sink. Surrogate halves (above U+FFFF) are joined here."""
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
    """The state that applies until the brace closes."""

    sink: Sink | None  # None: the text is not read
    name: str = ""  # the destination
    begins: str = ""  # the destination that this group itself begins
    font: int | None = None
    skip: int = 1  # \uc: how many fallback characters follow a Unicode one
    deleted: bool = False

    def opened(self) -> Group:
        """Return a group within this one."""
        return replace(self, begins="")
