"""Answers given before, for as long as nothing they rest on has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from rag_core.models import Answer

# Not "cut_by_time": a quieter moment gives more.
_WHOLE = (None, "no_relevant_passage", "cut_by_length", "cut_by_repetition")


class AnswerCache:
    """The latest answers by their key; safe to share between threads.

    The key holds all that could change the answer (question, filters, models, what the ledger and the index
    hold), so an entry is never wrong, only unused.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        """The answer given before, marked as such."""
        with self._lock:
            answer = self._kept.get(key)
            if answer is None:
                return None
            self._kept.move_to_end(key)
        return answer.model_copy(update={"cached": True})

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer, unless it was cut by time or a stand-in wrote it: those deserve another try."""
        if answer.degraded or answer.reason not in _WHOLE:
            return
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
