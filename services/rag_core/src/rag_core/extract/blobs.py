"""Encoded data within text (base64, keys, data: URLs), which nobody reads, yet a search would find."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse

# A run without blanks, or lines of encoded data as mail and keys wrap them, joined by blanks or not.
_RUN = re.compile(r"(?:data:[\w/+.;=-]{1,100}?,)?[A-Za-z0-9+/_=-]{160,}")
_WRAPPED = re.compile(
    r"(?:(?<!\S)[A-Za-z0-9+/]{40,120}={0,2}(?:\s{1,9}|\Z)){2,}(?:[A-Za-z0-9+/]{2,120}={1,2}(?!\S))?"
)
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{1,60}-----[^-]{0,20000}-----END [A-Z0-9 ]{1,60}-----")
_HEX = re.compile(r"[0-9A-Fa-f]{160,}")
_REPEATED = re.compile(r"A{8,}|/{8,}")
# A picture embedded in a data: URL.
ADDRESS = re.compile(
    r"(data:image/[\w.+-]{1,40}(?:;[\w=.-]{1,40}){0,4};base64,)[A-Za-z0-9+/=%\r\n]*", re.IGNORECASE
)
_CUT = "[encoded data]"


def without(text: str) -> tuple[str, int]:
    """Return the text without encoded data, and how many stretches were left out."""
    cut = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal cut
        run = found[0]
        if found.re is not _KEY and not _encoded(run) and not (found.re is _WRAPPED and _empty(run)):
            return run
        cut += 1
        return f"{_CUT}\n" if found[0].endswith("\n") else _CUT

    for pattern in (_KEY, _WRAPPED, _RUN):
        text = pattern.sub(replaced, text)
    return text, cut


def picture(address: str) -> bytes | None:
    """Return the picture embedded in a data: URL; None for other addresses."""
    found = ADDRESS.match(address)
    return decoded(urllib.parse.unquote(address[found.end(1) :])) if found else None


def decoded(written: str) -> bytes:
    """Decode base64; empty if it is truncated or not base64."""
    try:
        return base64.b64decode(written)
    except (binascii.Error, ValueError):
        return b""


def _encoded(run: str) -> bool:
    """Whether it mixes both cases and digits throughout, or is hexadecimal (letters of one case).

    No name, row of dots or gene has letters of both cases and digits throughout.
    """
    upper, lower, digits = sum(map(str.isupper, run)), sum(map(str.islower, run)), sum(map(str.isdigit, run))
    if _HEX.fullmatch(run) and min(upper, lower) == 0:
        return min(upper + lower, digits) * 16 >= len(run)
    return min(upper, lower, digits) * 25 >= len(run) and len(set(run)) >= 20


def _empty(run: str) -> bool:
    """Whether most of it repeats one character, as the empty parts of a file do once they are encoded."""
    return sum(map(len, _REPEATED.findall(run))) * 2 > len(run)
