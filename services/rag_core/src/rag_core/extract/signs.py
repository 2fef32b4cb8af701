"""Characters of Microsoft's symbol fonts (Wingdings, Symbol), mapped to Unicode."""

from __future__ import annotations

# Ticked and empty boxes, ticks, arrows and bullets: symbols that carry meaning in forms.
_WINGDINGS = {
    0x4A: "\u263a", 0x4C: "\u2639", 0x6C: "\u25cf", 0x6E: "\u25a0", 0x6F: "\u2610", 0x71: "\u2610",
    0x72: "\u2610", 0x76: "\u2756", 0x78: "\u2612", 0xA7: "\u25aa", 0xA8: "\u2610", 0xB7: "\u2022",
    0xD8: "\u27a2", 0xDF: "\u2190", 0xE0: "\u2192", 0xE1: "\u2191", 0xE2: "\u2193", 0xE8: "\u2794",
    0xFB: "\u2717", 0xFC: "\u2713", 0xFD: "\u2612", 0xFE: "\u2611",
}  # fmt: skip
_WINGDINGS_2 = {
    0x4F: "\u2717", 0x50: "\u2713", 0x51: "\u2612", 0x52: "\u2611", 0x53: "\u2612", 0x54: "\u2612",
    0x97: "\u2022", 0xA3: "\u2610",
}  # fmt: skip
_WEBDINGS = {0x61: "\u2713", 0x63: "\u2610", 0x67: "\u25a0", 0x6E: "\u25cf", 0x72: "\u2717"}
_FONTS: dict[str, dict[int, str]] = {
    "wingdings": _WINGDINGS,
    "wingdings 2": _WINGDINGS_2,
    "wingdings 3": {},
    "webdings": _WEBDINGS,
    "symbol": {},
}
_GREEK = dict(zip(
    (*range(0x41, 0x5B), *range(0x61, 0x7B)),
    "\u0391\u0392\u03a7\u0394\u0395\u03a6\u0393\u0397\u0399\u03d1\u039a\u039b\u039c\u039d\u039f\u03a0\u0398"
    "\u03a1\u03a3\u03a4\u03a5\u03c2\u03a9\u039e\u03a8\u0396"
    "\u03b1\u03b2\u03c7\u03b4\u03b5\u03c6\u03b3\u03b7\u03b9\u03d5\u03ba\u03bb\u03bc\u03bd\u03bf\u03c0\u03b8"
    "\u03c1\u03c3\u03c4\u03c5\u03d6\u03c9\u03be\u03c8\u03b6",
    strict=True,
))  # fmt: skip
_MATHS = {
    0xA3: "\u2264", 0xA5: "\u221e", 0xAC: "\u2190", 0xAE: "\u2192", 0xB0: "\u00b0", 0xB1: "\u00b1",
    0xB3: "\u2265", 0xB4: "\u00d7", 0xB6: "\u2202", 0xB7: "\u2022", 0xB8: "\u00f7", 0xB9: "\u2260",
    0xBB: "\u2248", 0xC5: "\u2295", 0xD6: "\u221a", 0xD7: "\u22c5", 0xE5: "\u2211", 0xF2: "\u222b",
}  # fmt: skip
_OFFSET = 0xF000  # Office also writes such characters in Unicode's private use area


def is_of_signs(font: str) -> bool:
    """Whether a font draws symbols in place of the characters typed."""
    return font.strip().lower() in _FONTS


def sign(code: int, font: str) -> str:
    """Return the character that a symbol font draws for a code; empty if it is a mere ornament."""
    code = code - _OFFSET if _OFFSET <= code <= _OFFSET + 0xFF else code
    name = font.strip().lower()
    if name == "symbol":
        known = _MATHS.get(code) or _GREEK.get(code)
        return known or (chr(code) if 0x20 <= code < 0x7F else "")
    return " " if code == ord(" ") else _FONTS.get(name, _WINGDINGS).get(code, "")


def drawn(text: str, font: str) -> str:
    """Return text as shown: in a symbol font, and private use characters that such a font once drew."""
    if is_of_signs(font):
        return "".join(sign(ord(one), font) if ord(one) < 0x100 or _is_private(one) else one for one in text)
    if any(map(_is_private, text)):
        return "".join((sign(ord(one), "Wingdings") or one) if _is_private(one) else one for one in text)
    return text


def _is_private(one: str) -> bool:
    return _OFFSET <= ord(one) <= _OFFSET + 0xFF
