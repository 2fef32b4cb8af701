"""The tokens of RTF, and the code pages of its text (RTF specification 1.9.1)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])"
    rb"|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)"
)
# \fcharset: the code page of a font's text.
_CHARSETS = {
    77: "mac-roman", 78: "shift-jis", 79: "johab", 80: "gb18030", 81: "cp950", 128: "cp932", 129: "cp949",
    130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 179: "cp1256", 180: "cp1256", 181: "cp1255", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
# \ansicpg and \cpg: code pages that Python has under another name.
_PAGES = {0: "cp1252", 708: "iso8859-6", 709: "iso8859-6", 936: "gb18030", 1361: "johab", 10000: "mac-roman",
          10001: "shift-jis", 10006: "mac-greek", 10007: "mac-cyrillic", 10029: "mac-latin2",
          65001: "utf-8"}  # fmt: skip
USUAL = "cp1252"


@dataclass(frozen=True, slots=True)
class Token:
    """A control word with its number, a brace, or text as it is stored."""

    word: str = ""
    number: int | None = None
    text: bytes = b""
    sign: bool = False  # the text was one \\'hh or an escaped character


def tokens(data: bytes) -> Iterator[Token]:
    """Yield all tokens of a file; binary data comes as the text of its control word (\\bin)."""
    at, end = 0, len(data)
    while at < end:
        found = _TOKEN.match(data, at)
        if found is None:  # a backslash at the very end
            return
        at = found.end()
        word, number, code, escaped, brace, text = found.groups()
        if word is not None:
            name, value = word.decode("ascii"), int(number) if number is not None else None
            if name == "bin":
                size = max(0, value or 0)
                yield Token(name, text=data[at : at + size])
                at += size
            else:
                yield Token(name, value)
        elif code is not None:
            yield Token(text=bytes([int(code, 16)]), sign=True)
        elif escaped is not None:
            if escaped in b"{}\\":
                yield Token(text=escaped, sign=True)
            else:
                yield Token(escaped.decode("latin-1"))
        elif brace is not None:
            yield Token(brace.decode("ascii"))
        elif text is not None:
            yield Token(text=text)


class Fonts:
    """The font table, as far as it determines how text is decoded."""

    def __init__(self) -> None:
        self.usual: int | None = None
        self._page = USUAL
        self._pages: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def learn(self, word: str, number: int | None, font: int) -> None:
        """Handle a control word about the document's code page or the font being defined."""
        match word:
            case "ansicpg":
                self._page = _page(number)
            case "mac" | "pc" | "pca":
                self._page = _page({"mac": 10000, "pc": 437, "pca": 850}[word])
            case "deff":
                self.usual = number
            case "fcharset" if number in _CHARSETS:
                self._pages.setdefault(font, _CHARSETS[number])
            case "cpg":
                self._pages[font] = _page(number)

    def learn_name(self, font: int, text: bytes) -> None:
        """Add a part of a font's name, up to its semicolon."""
        self._names[font] = self._names.get(font, "")[:64] + text.decode("latin-1").strip().rstrip(";")

    def page_of(self, font: int | None) -> str:
        """Return the code page of text in a font."""
        font = self.usual if font is None else font
        return self._page if font is None else self._pages.get(font, self._page)

    def name_of(self, font: int | None) -> str:
        """Return the name of a font, by which symbol fonts are recognised."""
        font = self.usual if font is None else font
        return "" if font is None else self._names.get(font, "")


def _page(number: int | None) -> str:
    """Return Python's name for a code page of Windows or the Macintosh."""
    name = _PAGES.get(number or 0, f"cp{number}")
    try:
        codecs.lookup(name)
    except LookupError:
        return USUAL
    return name
