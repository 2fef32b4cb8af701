"""The queues in front of the models: a few questions are served, some wait, the rest must retry later.

The models of this host share one queue, since one answer takes every processor; a remote model has its own.
Used from one event loop only, so plain attributes need no lock.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rag_app import metrics
from rag_app.errors import Busy

_FIRST_GUESS_SECONDS = 15.0
_WEIGHT_OF_NEWEST = 0.3
_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Waiting:
    """A progress event: how many questions are ahead, and about how many seconds they will take."""

    ahead: int
    seconds: float


class Ticket:
    """A place in one of the queues; a context manager, so that leaving early frees it."""

    def __init__(self, gate: "ModelGate") -> None:
        self.gate = gate
        self._changed = asyncio.Event()
        self._admitted_at: float | None = None

    async def places(self) -> AsyncIterator[Waiting]:
        """Yield the place in the queue each time it changes; ends with 0 ahead, when it is our turn."""
        waited = False
        while (ahead := self.gate.ahead_of(self)) > 0:
            waited = True
            yield Waiting(ahead, round(self.gate.expected_wait(self), 1))
            await self._changed.wait()
            self._changed.clear()
        if waited:
            yield Waiting(0, 0.0)
        self._admitted_at = self._admitted_at or time.monotonic()

    @property
    def admitted(self) -> bool:
        """Whether its turn has come."""
        return self._admitted_at is not None

    def move(self, gate: "ModelGate") -> None:
        """Give up the place and join the end of another queue; raises Busy when that is full."""
        if gate is self.gate:
            return
        gate.join(self)
        self._leave()
        self.gate, self._admitted_at = gate, None
        self._changed.clear()

    def moved(self) -> None:
        """Notify the holder that the queue has moved."""
        self._changed.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        took = time.monotonic() - self._admitted_at if self._admitted_at is not None else None
        self.gate.leave(self, took)


class ModelGate:
    """Serves `slots` at a time and queues `waiting` more."""

    def __init__(self, slots: int, waiting: int) -> None:
        self._slots = slots
        self._waiting = waiting
        self._line: deque[Ticket] = deque()
        self._usual_seconds = _FIRST_GUESS_SECONDS

    def enter(self) -> Ticket:
        """Join the queue; raises Busy when it is full."""
        ticket = Ticket(self)
        self.join(ticket)
        return ticket

    def join(self, ticket: Ticket) -> None:
        """Put a ticket at the end of the queue; raises Busy when it is full."""
        waiting = max(0, len(self._line) - self._slots)
        if len(self._line) >= self._slots + self._waiting:
            metrics.turned_away()
            raise Busy(waiting, self._usual_seconds * (waiting + 1) / self._slots)
        self._line.append(ticket)

    def ahead_of(self, ticket: Ticket) -> int:
        """How many must finish before this one is served; 0 if it is being served."""
        return max(0, self._line.index(ticket) - self._slots + 1)

    def expected_wait(self, ticket: Ticket) -> float:
        """Estimate the seconds until this one is served, from how long questions usually take."""
        return self._usual_seconds * self.ahead_of(ticket) / self._slots

    def leave(self, ticket: Ticket, took: float | None) -> None:
        """Free a place; `took` is how long it was served."""
        self._line.remove(ticket)
        if took is not None:
            self._usual_seconds += _WEIGHT_OF_NEWEST * (took - self._usual_seconds)
        for other in self._line:
            other.moved()

    @property
    def length(self) -> int:
        """How many are being served or waiting."""
        return len(self._line)


class Routes:
    """The queue of each model."""

    def __init__(self, here: ModelGate, remote: Mapping[str, ModelGate]) -> None:
        self.here = here
        self._remote = remote

    def to(self, model: str | None) -> ModelGate:
        """Return the queue of a model; None or an unknown name: that of this host's models."""
        return self._remote.get(model or "", self.here)

    @property
    def length(self) -> int:
        """How many are being served or waiting, for any model."""
        return self.here.length + sum(gate.length for gate in self._remote.values())


class Searches:
    """Counts the searches under way, so that a model of this host, which takes all processors, can wait."""

    def __init__(self) -> None:
        self._under_way = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a search for the duration of the context."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def over(self, longest: float) -> None:
        """Wait until none is under way, at most LONGEST seconds."""
        until = time.monotonic() + longest
        while self._under_way and time.monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)
