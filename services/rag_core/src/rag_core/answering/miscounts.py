"""Counts prompts whose token estimate was wrong, by model and kind: "refused", "over" or "cut"."""

from __future__ import annotations

from collections import Counter

import structlog

from rag_core.answering import prompt

_log = structlog.get_logger()


class Miscounts(Counter[tuple[str, str]]):
    """Number of such prompts since the process started."""

    def compare(self, model: str, counted: prompt.Size, read: int) -> None:
        """Compare the tokens that the model read with the estimate; 0 means that it reported none."""
        if read > counted.most:
            self.add(model, "over", counted, read)
        elif 0 < read < counted.least:
            self.add(model, "cut", counted, read)

    def add(self, model: str, how: str, counted: prompt.Size, read: int) -> None:
        """Count one more, and log it."""
        self[model, how] += 1
        _log.error("prompt miscounted", model=model, how=how, read=read, **counted.model_dump())
