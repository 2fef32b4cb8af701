"""A chat model's words as they come, with an end to every wait, and a prompt that is never cut unnoticed.

What is sent is estimated to fit the window; Ollama is asked to refuse what does not (it would cut it, the
rules and fences first); and what it counted is compared with the estimate, for servers that cut all the same.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Protocol, cast

import httpx
import ollama
import structlog

from rag_core.answering import cancellation, prompt
from rag_core.answering.miscounts import Miscounts
from rag_core.answering.rates import Reader
from rag_core.answering.threads import Threads
from rag_core.errors import InputTooLong
from rag_core.index.embed import CLIENT_ERRORS, KEEP_ALIVE, TooSlow, translated
from rag_core.models import Frozen

_log = structlog.get_logger()

CUT_BY_LENGTH = "cut_by_length"
CUT_BY_TIME = "cut_by_time"
_UNLOAD_SECONDS = 5.0
_LOADED_SECONDS = 0.5  # of a model that is loaded; one that was loaded anew knows no prompt
_NANO = 1e-9
_WARM_TOKENS = 8


class Ending(Frozen):
    """How an answer ended: why it was cut, if it was, and its tokens as the model counted them.

    `read_tokens` are those of the prompt that the model did not know from the prompt before. They took it
    `read_seconds`, the answer `write_seconds`; 0 where a server does not report it.
    """

    cut: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    read_tokens: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    threads: int = 0  # of a model that runs here


class _Client(ollama.Client):
    """Ollama's client with the two options of /api/chat that it does not know."""

    def whole(
        self, model: str, messages: Sequence[Mapping[str, str]], options: Mapping[str, float]
    ) -> Generator[ollama.ChatResponse, None, None]:
        """Like `chat`, but a prompt over the window is refused, not cut, now and while the model writes."""
        asked = {
            "model": model,
            "messages": list(messages),
            "stream": True,
            "options": dict(options),
            "keep_alive": KEEP_ALIVE,
            "truncate": False,
            "shift": False,
        }
        # The client types its stream as an iterator; it is a generator, and closing it ends the request.
        return cast(
            "Generator[ollama.ChatResponse, None, None]",
            self._request(ollama.ChatResponse, "POST", "/api/chat", json=asked, stream=True),
        )


class Elsewhere(Protocol):
    """A model that is not in Ollama; it keeps the promises of `Chat.stream`."""

    def stream(
        self, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        """Yield pieces of text; return how it ended."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Chat:
    """Streams answers from Ollama, or from those models that are elsewhere; safe to share between threads."""

    def __init__(
        self,
        *,
        address: str,
        timeout: float,
        num_ctx: int,
        max_tokens: int,
        threads: Threads,
        elsewhere: Mapping[str, Elsewhere] | None = None,
        miscounts: Miscounts | None = None,
    ) -> None:
        self._address = address
        self._timeout = timeout
        self.window = num_ctx - max_tokens  # what a prompt may take
        self.miscounts = Miscounts() if miscounts is None else miscounts
        self._elsewhere = elsewhere or {}
        self._client = self._made(timeout)
        # Each model's prompt before: what the next one has in common with it is not read again.
        # With another number of threads it is loaded anew and knows nothing.
        self._before: dict[str, tuple[int, Sequence[dict[str, str]]]] = {}
        self._threads = threads
        # Low temperature: the same question should get the same answer from the same passages.
        self._options: dict[str, float] = {
            "num_ctx": num_ctx,
            "num_predict": max_tokens,
            "temperature": 0.1,
            "repeat_penalty": 1.1,  # small models fall into saying one sentence for ever
            "seed": 7,
        }

    def stream(
        self, model: str, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        """Yield pieces of text; return how it ended. Closing it, or the context's STOP, stops the model.

        `timeout` shortens the deployment's own for this answer, never lengthens it.
        """
        if model in self._elsewhere:
            return (yield from self._elsewhere[model].stream(messages, timeout=timeout))
        allowed = min(timeout or self._timeout, self._timeout)
        begun = False
        with self._waiting(allowed) as client:
            threads = self._threads.of(model)
            pieces = self._pieces(client, model, messages, time.monotonic() + allowed, threads)
            try:
                while True:
                    piece = next(pieces)
                    begun = True
                    yield piece
            except StopIteration as end:
                ending = cast("Ending", end.value)
                if ending.cut == CUT_BY_TIME and allowed == self._timeout:
                    self._threads.hung(threads)
                return ending
            except TooSlow:
                if allowed == self._timeout:
                    self._threads.hung(threads)
                    if not begun:
                        self._unload(model)
                raise
            finally:
                pieces.close()

    def reader(self, model: str) -> Reader:
        """Who would read the next prompt: the model, and its threads; 0 of one that is elsewhere."""
        return model, 0 if model in self._elsewhere else self._threads.of(model)

    def warm(self, model: str, messages: Sequence[dict[str, str]]) -> Ending:
        """Have the model loaded and read a prompt; with each number of threads that was not tried before.

        Returns what was seen with the number that is used from now on.
        """
        if model in self._elsewhere:  # nothing is to be loaded, and each request costs
            return Ending()
        seen = {count: self._warmed(model, messages, count) for count in self._threads.untried(model)}
        chosen = self._threads.of(model)
        if chosen != next(reversed(seen), None):
            loaded = self._warmed(model, messages, chosen)
            seen.setdefault(chosen, loaded)
        return seen[chosen]

    def _warmed(self, model: str, messages: Sequence[dict[str, str]], threads: int) -> Ending:
        deadline = time.monotonic() + self._timeout
        pieces = self._pieces(self._client, model, messages, deadline, threads, {"num_predict": _WARM_TOKENS})
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                return cast("Ending", end.value)

    def _made(self, seconds: float) -> _Client:
        # The client's timeout bounds each silence, the deadline below the whole answer.
        return _Client(
            host=self._address,
            timeout=seconds,
            # A connection for each answer: it is what a stop shuts down.
            limits=httpx.Limits(max_keepalive_connections=0),
            event_hooks={"request": [cancellation.stoppable]},
        )

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[_Client]:
        """A client that bears so much silence."""
        if seconds == self._timeout:
            yield self._client
            return
        client = self._made(seconds)
        try:
            yield client
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _pieces(
        self,
        client: _Client,
        model: str,
        messages: Sequence[dict[str, str]],
        deadline: float,
        threads: int,
        options: Mapping[str, float] | None = None,
    ) -> Generator[str, None, Ending]:
        cancellation.check()
        counted = prompt.size(messages)
        if min(counted.most, prompt.most_tokens(messages)) > self.window:
            raise InputTooLong(
                f"a prompt of up to {counted.most} tokens is over the {self.window} it may have"
            )
        options = {**self._options, "num_thread": threads, **(options or {})}
        try:
            with closing(client.whole(model, messages, options)) as replies:
                for reply in replies:
                    if reply.message.content:
                        yield reply.message.content
                    if reply.done:
                        self.miscounts.compare(model, counted, reply.prompt_eval_count or 0)
                        return self._ending(model, messages, threads, reply)
                    if time.monotonic() > deadline:
                        return Ending(cut=CUT_BY_TIME)
        except CLIENT_ERRORS as error:
            cancellation.check()
            ours = translated(error, model, self._address)
            if isinstance(ours, InputTooLong):
                self.miscounts.add(model, "refused", counted, 0)
            raise ours from error
        return Ending(cut=CUT_BY_TIME)

    def _ending(
        self, model: str, messages: Sequence[dict[str, str]], threads: int, reply: ollama.ChatResponse
    ) -> Ending:
        tokens = reply.prompt_eval_count or 0
        known, before = self._before.get(model, (threads, ()))
        self._before[model] = (threads, messages)
        loaded = known != threads or (reply.load_duration or 0) * _NANO > _LOADED_SECONDS
        ending = Ending(
            cut=CUT_BY_LENGTH if reply.done_reason == "length" else None,
            prompt_tokens=tokens,
            answer_tokens=reply.eval_count or 0,
            # Ollama counts the whole prompt, and times what of it is new.
            read_tokens=round(tokens * (1.0 if loaded else prompt.new_share(messages, before))),
            read_seconds=(reply.prompt_eval_duration or 0) * _NANO,
            write_seconds=(reply.eval_duration or 0) * _NANO,
            threads=threads,
        )
        self._threads.note(
            model,
            threads,
            read=(ending.read_tokens, ending.read_seconds),
            written=(ending.answer_tokens, ending.write_seconds),
        )
        return ending

    def _unload(self, model: str) -> None:
        """Have Ollama load the model anew for the next question: this one got no word in all of its time.

        Seen with 0.17.4: somebody hangs up between two words, and the request that is over keeps the model's
        only place for ever (its stream's goroutine waits for a reader that has left). An unloaded model takes
        the place along; one that is merely slow is only unloaded once its other requests have ended.
        """
        _log.error("model silent, unloading it", model=model, seconds=self._timeout)
        client = self._made(_UNLOAD_SECONDS)
        try:
            client.chat(model, messages=[], keep_alive=0)
        except CLIENT_ERRORS as error:
            _log.error("model not unloaded", model=model, error=type(error).__name__)
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the connections."""
        for one in self._elsewhere.values():
            one.close()
        self._client.close()  # type: ignore[no-untyped-call]
