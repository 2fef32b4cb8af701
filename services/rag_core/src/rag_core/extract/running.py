"""Headers and footers of Word files: each is read once; one with only page numbers is skipped."""

from __future__ import annotations

import re

_PAGE_NUMBER = re.compile(r"(?:page|seite|p\.)?[\s\d./|-]{0,30}(?:of|von|/)?[\s\d]{0,10}", re.I)


class RunningLines:
    """The headers and footers of one document."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def new(self, text: str) -> bool:
        """Whether this one says something that no earlier one said."""
        if not text or text in self._seen or _PAGE_NUMBER.fullmatch(text):
            return False
        self._seen.add(text)
        return True
