"""Encoded data within text (base64, keys, data: addresses), which nobody reads, yet a search would find."""

from __future__ import annotations

import re

# A run without a blank; or lines of the same kind, as mail and keys wrap them.
_RUN = re.compile(r"(?:data:[\w/+.;=-]{1,100}?,)?[A-Za-z0-9+/_=-]{160,}")
_WRAPPED = re.compile(r"(?:^[ \t]{0,8}[A-Za-z0-9+/]{40,120}={0,2}[ \t]{0,8}(?:\n|\Z)){2,}", re.MULTILINE)
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{1,60}-----[^-]{0,20000}-----END [A-Z0-9 ]{1,60}-----")
_CUT = "[encoded data]"


def without(text: str) -> tuple[str, int]:
    """The text without encoded data, and how many stretches of it were left out."""
    cut = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal cut
        if found.re is not _KEY and not _encoded(found[0]):
            return found[0]
        cut += 1
        return f"{_CUT}\n" if found[0].endswith("\n") else _CUT

    for pattern in (_KEY, _WRAPPED, _RUN):
        text = pattern.sub(replaced, text)
    return text, cut


def _encoded(run: str) -> bool:
    """Whether it has letters of both cases and digits throughout, as no name, row of dots or gene has."""
    letters = sum(map(str.isupper, run)), sum(map(str.islower, run)), sum(map(str.isdigit, run))
    return min(letters) * 25 >= len(run) and len(set(run)) >= 20
