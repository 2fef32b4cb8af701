"""A cache of answers, valid as long as nothing they depend on has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from rag_core.models import Answer

# Not "cut_by_time": on a less busy host the answer would be complete.
_WHOLE = (None, "no_relevant_passage", "cut_by_length", "cut_by_repetition")


class AnswerCache:
    """The latest answers by their key; safe to share between threads.

    The key covers everything that could change the answer (question, filters, models, the state of the ledger
    and the index), so an entry is never wrong, only unused.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        """Return the cached answer, marked as cached."""
        with self._lock:
            answer = self._kept.get(key)
            if answer is None:
                return None
            self._kept.move_to_end(key)
        return answer.model_copy(update={"cached": True})

    def put(self, key: Hashable, answer: Answer) -> None:
        """Cache an answer, unless it was cut by time or a fallback model wrote it: those deserve a retry."""
        if answer.degraded or answer.reason not in _WHOLE:
            return
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
