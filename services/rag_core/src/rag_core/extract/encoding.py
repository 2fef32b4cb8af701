"""Bytes to text: the encoding that a file declares or that its bytes show, or an explicit "unsure".

Text in the wrong encoding is worse than none: it is searched, found and quoted. So a guess is only accepted
when the bytes leave little doubt; else the file is refused, and its owner can easily save it as UTF-8.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import chardet
import webencodings

_BLOCK_BYTES = 1024 * 1024
# Maximum size of the sample: lines with bytes beyond ASCII, which reveal most.
_SAMPLE_BYTES = 64 * 1024
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # has UTF-16's mark as its prefix, so it is checked first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\([JI]")
# The newest superset of each: programs write its characters under the older name.
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "cp950", "shift_jis": "cp932", "euc-kr": "cp949"}
_MULTIBYTE = {"gb18030", "cp950", "big5hkscs", "cp932", "cp949", "euc_jp", "iso2022_jp"}
# Confidence of the detector, measured on sentences of at least five words in 20 encodings: from _SURE up its
# answer was right, from _LIKELY up it was right if the letters also form words.
_SURE = 0.15
_LIKELY = 0.06
_LEAST_VALID = 3  # whole UTF-8 characters for each invalid byte


class NotText(ValueError):  # noqa: N818 - said of the file
    """The bytes are not text."""


class Unsure(ValueError):  # noqa: N818 - said of the file
    """The bytes are text, but several encodings are possible."""

    advice = "its encoding is not certain, and a wrong one would spoil its words; save it as UTF-8"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes are decoded: Python's codec, and what users should know about it."""

    codec: str
    detected: bool = False  # not declared: found from the bytes themselves
    invalid: int = 0  # bytes that are no character in it

    @property
    def remark(self) -> str:
        """The remark for the reading report; empty when there is nothing to report."""
        if self.invalid:
            many = "1 byte is" if self.invalid == 1 else f"{self.invalid:,} bytes are"
            return f"{many} no text in {self.codec.upper()} and stand as \ufffd"
        if self.detected:
            return f"read as {self.codec}, as its bytes suggest; where letters are wrong, save it as UTF-8"
        return ""


def of_file(path: Path) -> Encoding:
    """Detect the encoding of a file, read to its end; raises NotText or Unsure."""
    evidence = _Evidence()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            evidence.add(block)
    return evidence.encoding()


def of_bytes(data: bytes, *, partial: bool = False) -> Encoding:
    """Detect the encoding of bytes; `partial` ones may end within a character. Raises NotText or Unsure."""
    evidence = _Evidence()
    evidence.add(data)
    return evidence.encoding(partial=partial)


def decoded(data: bytes, label: str = "") -> tuple[str, Encoding]:
    """Decode a part whose `label` (as in a mail or a page) may be missing, too narrow or wrong.

    Nothing is refused: an invalid byte becomes U+FFFD, and the encoding counts it.
    """
    codec = _labelled(label)
    for attempt in _attempts(data, codec):
        try:
            return data.decode(attempt.codec), attempt
        except UnicodeDecodeError:
            continue
    text = data.decode(codec or "utf-8", errors="replace")
    return text, Encoding(codec or "utf-8", invalid=text.count("\ufffd"))


def _attempts(data: bytes, codec: str) -> Iterator[Encoding]:
    for mark, name in _BOMS.items():
        if data.startswith(mark):
            yield Encoding(name)
    if codec in _MULTIBYTE or codec.startswith("utf"):
        yield Encoding(codec)
    # Text in another encoding is hardly ever valid UTF-8 by chance.
    yield Encoding("utf-8")
    if codec:
        yield Encoding(codec)
    try:
        found = of_bytes(data)
    except (NotText, Unsure):
        return
    if not found.invalid:
        yield found


def _labelled(label: str) -> str:
    """Return Python's codec for a label by the WHATWG rules ("latin1" is windows-1252); empty if unknown."""
    known = webencodings.lookup(label)
    if known is not None:
        name = known.name
        return _SUPERSETS.get(name, str(known.codec_info.name))
    try:
        return codecs.lookup(label.strip()).name if label.strip() else ""
    except (LookupError, ValueError):
        return ""


class _Evidence:
    """What the bytes of one file reveal, collected block by block."""

    def __init__(self) -> None:
        self._start = b""
        self._sample = bytearray()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._valid = self._invalid = self._controls = self._size = 0
        self._nulls = False

    def add(self, block: bytes) -> None:
        if not self._size:
            self._start = block[:_SAMPLE_BYTES]
        self._size += len(block)
        self._nulls = self._nulls or b"\0" in block
        self._controls += sum(map(block.count, _CONTROLS))
        self._count(self._utf8.decode(block))
        room = _SAMPLE_BYTES - len(self._sample)
        if room > 0 and not block.isascii():
            lines = (line for line in block.split(b"\n") if not line.isascii())
            self._sample += b"\n".join(lines)[:room]

    def _count(self, text: str) -> None:
        if not text.isascii():
            bad = text.count("\ufffd")
            self._invalid += bad
            self._valid += len(text) - len(text.encode("ascii", "ignore")) - bad

    def encoding(self, *, partial: bool = False) -> Encoding:
        if not partial:
            self._count(self._utf8.decode(b"", final=True))
        for mark, name in _BOMS.items():
            if self._start.startswith(mark):
                return Encoding(name)
        if self._nulls:
            return self._wide()
        if _ISO_2022_JP.search(self._start) and _is_text(self._start, "iso2022_jp"):
            return Encoding("iso2022_jp", detected=True)
        # With this many control characters it is not text at all.
        if self._controls > self._size // 1000:
            raise NotText("control characters")
        if self._invalid == 0:
            return Encoding("utf-8")
        if self._valid >= _LEAST_VALID * self._invalid:
            return Encoding("utf-8", invalid=self._invalid)
        return _of_sample(bytes(self._sample))

    def _wide(self) -> Encoding:
        """Detect UTF-16 or 32 without a BOM: in plain letters every other byte, or three of four, is zero."""
        data = self._start[: len(self._start) // 4 * 4]
        found = [codec for codec in _WIDE if _is_text(data, codec)]
        if not found:
            raise NotText("zero bytes")
        # In the wrong byte order Latin letters look like Chinese ones: prefer the codec with most plain ones.
        return Encoding(max(found, key=lambda codec: _plain(data.decode(codec))), detected=True)


_CONTROLS = [bytes([number]) for number in range(32) if number not in b"\0\t\n\r\f\x1b"]


def _is_text(data: bytes, codec: str) -> bool:
    """Whether the bytes decode to letters, symbols and blanks, most of them from the same few blocks."""
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return False
    kinds = {unicodedata.category(c) for c in text if not c.isspace()}
    # Bytes in the wrong order decode to unassigned code points and letters scattered over the whole table.
    if not text or kinds & {"Cc", "Cn", "Co", "Cs"}:
        return False
    plain = _plain(text)
    return plain * 10 >= len(text) or (plain * 100 >= len(text) and len(_scripts(text)) == 1)


def _plain(text: str) -> int:
    return sum(c.isascii() and (c.isprintable() or c.isspace()) for c in text)


def _of_sample(data: bytes) -> Encoding:
    """Detect the one-byte or East Asian encoding of these lines; raises Unsure."""
    found = chardet.detect(data)
    codec, confidence = str(found["encoding"] or ""), float(found["confidence"] or 0.0)
    codec = _SUPERSETS.get(codec.lower(), codec)
    text = _strictly(data, codec)
    if text is not None and confidence >= _SURE and _worded(text):
        return Encoding(codec, detected=True)
    western = _strictly(data, "cp1252")
    if text is not None and confidence >= _LIKELY and _worded(text) and _scripts(text) - {"LATIN"}:
        return Encoding(codec, detected=True)
    if western is not None and _worded(western):
        return Encoding("cp1252", detected=True)
    if text is not None and confidence >= _LIKELY and _worded(text):
        return Encoding(codec, detected=True)
    raise Unsure(Unsure.advice)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        if not codec:
            return None
    # The sample may break off within its last character.
    try:
        return data[:-1].decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC"}


def _worded(text: str) -> bool:
    """Whether the characters beyond ASCII form words: no symbol within a word, no word of two alphabets."""
    for before, character in pairwise(text):
        if character.isascii() and before.isascii():
            continue
        if unicodedata.category(character) in {"Cc", "Cn", "Co"} and character not in "\t\n\r\f":
            return False
        one, other = (before, character) if before.isalpha() else (character, before)
        if (
            one.isalpha()
            and not other.isascii()
            and unicodedata.category(other) in {"So", "Sm", "Sk", "No", "Sc"}
        ):
            # A symbol between letters reveals the wrong table, but "m\u00b2" and "Ragdock\u2122" are valid.
            if other in "\u00b2\u00b3\u00b0\u00aa\u00ba\u20ac\u2122\u00ae\u00a9\u2019" and before is one:
                continue
            return False
        if before.isalpha() and character.isalpha():
            pair = {_script(before), _script(character)}
            if len(pair) > 1 and not pair & _EAST_ASIAN:
                return False
    return True


def _script(character: str) -> str:
    return unicodedata.name(character, "?").split(" ")[0].split("-")[0]


def _scripts(text: str) -> set[str]:
    """Return the alphabets of the text's letters, without ASCII; East Asian scripts count as one."""
    found = {_script(c) for c in set(text) if c.isalpha() and not c.isascii()}
    return {"CJK"} if found and found <= _EAST_ASIAN else found
