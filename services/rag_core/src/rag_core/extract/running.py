"""Headers and footers of Word files: each is read once, and one that only numbers the pages says nothing."""

from __future__ import annotations

import re

_PAGE_NUMBER = re.compile(r"(?:page|seite|p\.)?[\s\d./|-]{0,30}(?:of|von|/)?[\s\d]{0,10}", re.I)


class RunningLines:
    """Those of one document."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def new(self, text: str) -> bool:
        """Whether this one says something that none before it said."""
        if not text or text in self._seen or _PAGE_NUMBER.fullmatch(text):
            return False
        self._seen.add(text)
        return True
