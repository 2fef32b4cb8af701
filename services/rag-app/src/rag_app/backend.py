"""The backend of the pages and the API, built once from the settings."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Self, TypeVar

import anyio
import structlog
from starlette.concurrency import run_in_threadpool

from rag_app.gate import ModelGate, Routes, Searches, Ticket, Waiting
from rag_app.monitor import HealthMonitor
from rag_app.settings import AppSettings
from rag_core import factory, health
from rag_core.answering.answerer import Answerer
from rag_core.answering.cancellation import STOP, Stop
from rag_core.errors import RagError
from rag_core.index.embed import Contract, Embedder
from rag_core.index.reader import IndexReader
from rag_core.ingest.uploads import Uploads
from rag_core.ledger import Ledger
from rag_core.ledger.conversations import Conversations
from rag_core.ledger.remote_tokens import RemoteTokens
from rag_core.ledger.tags import Tags
from rag_core.models import AnswerEvent, Done, Question, Retrieved, Switched
from rag_core.retrieval.retriever import Retriever

T = TypeVar("T")
_WARM_UP_PAUSES = (0.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds before each try to load the models."""
_SEARCHES_FIRST_SECONDS = 1.0
"""How long an answer waits at most for the searches of others, whose quotes would be late otherwise."""
_SEARCH_THREADS = 40
_log = structlog.stdlib.get_logger("rag_app.models")


@dataclass(frozen=True)
class Backend:
    """rag_core's objects (synchronous: call them in the thread pool) and the queues for the models."""

    settings: AppSettings
    ledger: Ledger
    conversations: Conversations
    tags: Tags
    remote_tokens: RemoteTokens
    uploads: Uploads
    index: IndexReader
    embedder: Embedder
    retriever: Retriever
    answerer: Answerer
    monitor: HealthMonitor
    routes: Routes
    threads: anyio.CapacityLimiter
    """Those of answers; apart, so that answers waiting for a server leave threads to other requests."""
    searches: Searches = field(default_factory=Searches)

    @classmethod
    def of(cls, settings: AppSettings) -> Self:
        """Wire everything; connects to no store yet."""
        remote = [one for one in map(settings.remote, settings.chat_models) if one is not None]
        return cls(
            settings=settings,
            ledger=(ledger := factory.build_ledger(settings)),
            conversations=factory.build_conversations(settings),
            tags=factory.build_tags(settings),
            remote_tokens=factory.build_remote_tokens(settings),
            uploads=factory.build_uploads(settings, ledger),
            index=factory.build_index(settings),
            embedder=factory.build_embedder(settings),
            retriever=factory.build_retriever(settings, ledger),
            answerer=factory.build_answerer(settings, ledger),
            monitor=HealthMonitor(lambda: health.check(settings)),
            routes=Routes(
                ModelGate(settings.ask_slots, settings.ask_waiting),
                {one.name: ModelGate(one.parallel, settings.ask_waiting) for one in remote},
            ),
            threads=anyio.CapacityLimiter(_SEARCH_THREADS + sum(one.parallel for one in remote)),
        )

    def warm(self) -> None:
        """Load the models before the first question; Ollama may start after the app."""
        for pause in _WARM_UP_PAUSES:
            time.sleep(pause)
            try:
                self.answerer.warm()
            except RagError as error:
                _log.warning("models not loaded", code=error.code, reason=error.message)
            else:
                _log.info("models loaded")
                return

    def contract(self) -> Contract | None:
        """The contract this release builds an index with; None while its embedder does not answer."""
        try:
            return factory.current_contract(self.settings, self.embedder, self.index)
        except RagError:
            return None

    async def ask(
        self, question: Question, ticket: Ticket | None = None
    ) -> AsyncGenerator[AnswerEvent | Waiting]:
        """Yield the answer's events, each produced in the thread pool; see Answerer.ask.

        A search does not wait in a queue, which is for a model. Without a `ticket` the question joins the
        queue of the first model after the search; raises Busy when a queue is full at that point. When
        another model takes over, it moves on to that one's queue.
        """
        async with AsyncExitStack() as stack:
            events = in_threads(lambda: self.ledger.first(iter(self.answerer.ask(question))), self.threads)
            await stack.enter_async_context(aclosing(events))
            search = stack.enter_context(ExitStack())
            search.enter_context(self.searches.one())
            async for event in events:
                search.close()
                if isinstance(event, Done):
                    self.monitor.note(event.answer)
                yield event
                if isinstance(event, Switched) or (isinstance(event, Retrieved) and event.needs_model):
                    gate = self.routes.to(event.model)
                    if ticket is None:
                        ticket = await stack.enter_async_context(gate.enter())
                    async for place in self._turn(ticket, gate):
                        yield place

    async def _turn(self, ticket: Ticket, gate: ModelGate) -> AsyncGenerator[Waiting]:
        """Wait for a turn in this queue, and yield the places on the way."""
        ticket.move(gate)
        if ticket.admitted:
            return
        async for place in ticket.places():
            yield place
        if gate is self.routes.here:  # a remote model leaves the processors to the searches
            await self.searches.over(_SEARCHES_FIRST_SECONDS)

    def enter(self, question: Question) -> Ticket:
        """Join the queue of the model that would be asked first now; raises Busy when it is full."""
        return self.routes.to(self.answerer.first_model(question)).enter()


async def in_threads(start: Callable[[], Iterator[T]], threads: anyio.CapacityLimiter) -> AsyncGenerator[T]:
    """Iterate a synchronous generator in threads and always close it.

    When the consumer goes away, the current step is stopped, even while a model reads its prompt, and
    awaited: a slot of the gate is freed only when the model is.
    """
    stop = Stop()
    context = copy_context()
    context.run(STOP.set, stop)
    iterator = await run_in_threadpool(start)
    step: asyncio.Task[T | None] | None = None
    try:
        while True:
            # A separate task, so that cancelling the consumer still waits for the thread to end.
            step = asyncio.create_task(
                anyio.to_thread.run_sync(context.run, _next, iterator, limiter=threads)
            )
            item = await asyncio.shield(step)
            if item is None:
                break
            yield item
    finally:
        stop.now()
        with anyio.CancelScope(shield=True):
            await asyncio.shield(asyncio.create_task(_closed(iterator, step)))


def _next(iterator: Iterator[T]) -> T | None:
    return next(iterator, None)


async def _closed(iterator: Iterator[T], step: "asyncio.Task[T | None] | None") -> None:
    """Close the generator once its thread has left it; errors of the stopped step are ignored."""
    if step is not None:
        await asyncio.wait({step})
        if not step.cancelled():
            step.exception()
    close = getattr(iterator, "close", None)
    if close is not None:
        await run_in_threadpool(close)
