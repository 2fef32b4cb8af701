"""Cleans the text of every parser: composed, without control or hidden characters or floods of blanks.

Invisible characters must not fill a chunk or steer a model. Those that a script needs must stay: the joiners
of Persian and of Indic scripts, the word separators of Thai and Khmer, the joiners of emoji. Everything here
takes time linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

# A longer run of blanks is not used for alignment.
MOST_BLANKS = 40
# Blank lines in a row.
_MOST_NEWLINES = 4
# Combining marks on one letter: pointed Hebrew with its accents has five.
_MOST_MARKS = 6

_NEWLINES = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# Characters drawn as nothing though Unicode calls them letters or symbols; and the object replacement one.
_DRAWN_BLANK = "\u2800\u3164\uffa0\ufffc"
# Format characters that are visible: Arabic number signs, the end of a verse, abbreviations.
_DRAWN_FORMATS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
_JOINERS = "\u200b\u200c\u200d"


class _Signs(dict[int, str | None]):
    """Table for str.translate: what each character becomes, computed once."""

    def __missing__(self, code: int) -> str | None:
        sign = chr(code)
        self[code] = became = _became(sign)
        return became


def _became(sign: str) -> str | None:
    if sign in "\n\t" or sign in _JOINERS or sign in _DRAWN_FORMATS:
        return sign
    if sign in _NEWLINES:
        return "\n"
    category = unicodedata.category(sign)
    if category in ("Zs", "Cc") or sign in _DRAWN_BLANK:
        return " "
    if category == "Cf" or ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF:
        return None
    return sign


_SIGNS = _Signs()

# Scripts whose letters change their shape with their neighbours, so that joiners are meaningful.
_JOINED = (
    "\u0600-\u0dff\u1000-\u109f\u1700-\u18af\u1a00-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff"
)
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_JOINER = re.compile(
    rf"((?<=[{_JOINED}])\u200d(?![{_JOINERS}])|(?<=[{_JOINED}])\u200c(?=[{_JOINED}])"
    rf"|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])|(?<=[{_UNSPACED}])\u200b(?=[{_UNSPACED}]))|[{_JOINERS}]"
)
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# One variation selector belongs to a character; more of them, or one at the beginning of a word, hide data.
_SELECTOR = re.compile(rf"(?:(?<=[\s{_SELECTORS}])|^)[{_SELECTORS}]+")
_MARK = "".join(
    chr(code)
    for code in range(0x300, 0x1F000)
    if unicodedata.category(chr(code)) in ("Mn", "Me") and not 0xFE00 <= code <= 0xFE0F
)
_MARKS = re.compile(rf"([{_MARK}]{{{_MOST_MARKS}}})[{_MARK}]+")
_BLANKS = re.compile(rf"(?<![ \t])([ \t]{{{MOST_BLANKS}}})[ \t]+")
_BLANK_LINES = re.compile(rf"(\n{{{_MOST_NEWLINES}}})\n+")


def clean(text: str) -> str:
    """Return valid, composed text, with every kind of blank as a plain one, and nothing hidden."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_SIGNS)
    if not text.isascii():
        text = _JOINER.sub(r"\1", text)
        text = _SELECTOR.sub("", text)
        # Before composing: sorting a flood of combining marks takes quadratic time.
        text = unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub(r"\1", _BLANKS.sub(r"\1", text)).strip()


def one_line(text: str) -> str:
    """Return the cleaned text on one line, with single blanks."""
    return " ".join(clean(text).split())
