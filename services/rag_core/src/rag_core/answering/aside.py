"""Remembers which remote models failed just now, so that not every question waits for the same failure.

A server that is away may cost each question seconds, one that hangs costs minutes (docs/decisions/
0102-routes-to-models.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rag_core.errors import BudgetUsed, ModelMissing, RagError, RemoteBusy, RemoteUnavailable

_SECONDS = 60.0
_LONGEST = 600.0  # even if a server asks for more


class LeftOut(RemoteUnavailable):
    """A remote model is not asked, because it failed a moment ago."""


@dataclass(slots=True)
class _Failure:
    message: str
    until: float
    says_when: bool = False  # the message itself says when the model is asked again
    retried: bool = False  # a question is trying the model again


class Aside:
    """The remote models that are left out for now; thread-safe.

    When its time is over, one question at a time tries the model again.
    """

    def __init__(self, remote: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._remote = remote
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, _Failure] = {}

    def first(self, models: Sequence[str]) -> str:
        """Return the first model that can be asked; the first of all if none can."""
        return next((model for model in models if self.reason(model) is None), models[0])

    def reason(self, model: str) -> str | None:
        """Return why a model is left out; None: it can be asked."""
        with self._lock:
            return self._reason(model)

    @contextmanager
    def asking(self, model: str, own_limit: float | None = None) -> Iterator[None]:
        """Ask a model: a failure of its server sets it aside, an answer brings it back.

        Raises LeftOut if it is set aside. A failure after `own_limit` seconds, the question's own time limit
        if that is shorter than the deployment's, says nothing about the server.
        """
        with self._lock:
            if (reason := self._reason(model)) is not None:
                raise LeftOut(reason)
            before = self._failed.get(model)
            if before is not None:
                before.retried = True
        began = self._clock()
        try:
            yield
        except (RemoteUnavailable, ModelMissing) as error:
            if own_limit is None or self._clock() - began < own_limit:
                self._put(model, error)
            raise
        else:
            with self._lock:
                self._failed.pop(model, None)
        finally:
            if before is not None:
                before.retried = False

    def _put(self, model: str, error: RagError) -> None:
        if model not in self._remote:
            return
        wished = error.retry_after if isinstance(error, RemoteBusy) else None
        seconds = _SECONDS if wished is None else min(wished, _LONGEST)
        with self._lock:
            self._failed[model] = _Failure(
                error.message, self._clock() + seconds, says_when=isinstance(error, BudgetUsed)
            )

    def _reason(self, model: str) -> str | None:
        failure = self._failed.get(model)
        if failure is None:
            return None
        left = failure.until - self._clock()
        if left > 0:
            when = "" if failure.says_when else f"; it is asked again in {left:.0f} s"
            return f"{failure.message}{when}"
        return f"{failure.message}; another question is trying it again now" if failure.retried else None
