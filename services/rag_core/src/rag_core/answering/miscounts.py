"""Prompts whose tokens were not as counted, by model and how: "refused", "over" or "cut"."""

from __future__ import annotations

from collections import Counter

import structlog

from rag_core.answering import prompt

_log = structlog.get_logger()


class Miscounts(Counter[tuple[str, str]]):
    """Their number since the process began."""

    def compare(self, model: str, counted: prompt.Size, read: int) -> None:
        """What the model read against what was counted; a count of 0 says nothing."""
        if read > counted.most:
            self.add(model, "over", counted, read)
        elif 0 < read < counted.least:
            self.add(model, "cut", counted, read)

    def add(self, model: str, how: str, counted: prompt.Size, read: int) -> None:
        """One more, told in the log as well."""
        self[model, how] += 1
        _log.error("prompt miscounted", model=model, how=how, read=read, **counted.model_dump())
