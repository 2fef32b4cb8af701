"""Streams a chat model's text, with a timeout on every wait and no prompt truncated unnoticed.

A prompt is estimated to fit the window. Ollama is asked to refuse one that does not (by default it truncates
it, rules and fences first), and its token count is compared with the estimate, in case a server truncates
all the same.
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
_LOADED_SECONDS = 0.5  # longer: the model was loaded anew, and has no prompt cached
_NANO = 1e-9
_WARM_TOKENS = 8


class Ending(Frozen):
    """How an answer ended: why it was cut, if it was, and its tokens as the model counted them.

    `read_tokens` are the prompt tokens that were not cached from the previous prompt. Reading them took
    `read_seconds`, writing the answer `write_seconds`; 0 where a server does not report it.
    """

    cut: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    read_tokens: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    threads: int = 0  # of a model on this host


class _Client(ollama.Client):
    """Ollama's client with two options of /api/chat that it lacks."""

    def whole(
        self, model: str, messages: Sequence[Mapping[str, str]], options: Mapping[str, float]
    ) -> Generator[ollama.ChatResponse, None, None]:
        """Like `chat`, but a prompt over the window is refused, not truncated, at once and during writing."""
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


class ChatModel(Protocol):
    """A model that does not run in Ollama; behaves as `Chat.stream` does."""

    def stream(
        self, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        """Yield pieces of text; return how it ended."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Chat:
    """Streams answers from Ollama or from models elsewhere; safe to share between threads."""

    def __init__(
        self,
        *,
        address: str,
        timeout: float,
        num_ctx: int,
        max_tokens: int,
        threads: Threads,
        elsewhere: Mapping[str, ChatModel] | None = None,
        miscounts: Miscounts | None = None,
    ) -> None:
        self._address = address
        self.timeout = timeout  # seconds for a complete answer
        self.window = num_ctx - max_tokens  # tokens available to a prompt
        self.miscounts = Miscounts() if miscounts is None else miscounts
        self._elsewhere = elsewhere or {}
        self._client = self._made(timeout)
        # Each model's previous prompt: the beginning that the next one shares with it is not read again. With
        # another number of threads the model is loaded anew, and nothing is cached.
        self._before: dict[str, tuple[int, Sequence[dict[str, str]]]] = {}
        self._threads = threads
        # Low temperature: the same question should get the same answer from the same passages.
        self._options: dict[str, float] = {
            "num_ctx": num_ctx,
            "num_predict": max_tokens,
            "temperature": 0.1,
            "repeat_penalty": 1.1,  # small models tend to repeat one sentence for ever
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
        allowed = min(timeout or self.timeout, self.timeout)
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
                if ending.cut == CUT_BY_TIME and allowed == self.timeout:
                    self._threads.hung(threads)
                return ending
            except TooSlow:
                if allowed == self.timeout:
                    self._threads.hung(threads)
                    if not begun:
                        self._unload(model)
                raise
            finally:
                pieces.close()

    def reader(self, model: str) -> Reader:
        """Return the model and the threads it would read the next prompt with; 0 if it runs elsewhere."""
        return model, 0 if model in self._elsewhere else self._threads.of(model)

    def warm(self, model: str, messages: Sequence[dict[str, str]]) -> Ending:
        """Load the model and have it read a prompt, once with each number of threads not tried before.

        Returns the result for the number of threads that is used from now on.
        """
        if model in self._elsewhere:  # nothing to load, and each request costs money
            return Ending()
        seen = {count: self._warmed(model, messages, count) for count in self._threads.untried(model)}
        chosen = self._threads.of(model)
        if chosen != next(reversed(seen), None):
            loaded = self._warmed(model, messages, chosen)
            seen.setdefault(chosen, loaded)
        return seen[chosen]

    def _warmed(self, model: str, messages: Sequence[dict[str, str]], threads: int) -> Ending:
        deadline = time.monotonic() + self.timeout
        pieces = self._pieces(self._client, model, messages, deadline, threads, {"num_predict": _WARM_TOKENS})
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                return cast("Ending", end.value)

    def _made(self, seconds: float) -> _Client:
        # The client's timeout bounds each silence; the deadline bounds the whole answer.
        return _Client(
            host=self._address,
            timeout=seconds,
            # One connection per answer: cancellation shuts it down.
            limits=httpx.Limits(max_keepalive_connections=0),
            event_hooks={"request": [cancellation.stoppable]},
        )

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[_Client]:
        """Provide a client with this read timeout."""
        if seconds == self.timeout:
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
            # Ollama counts the whole prompt, but times only its new part.
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
        """Unload the model after a question that got no word within its timeout; the next one reloads it.

        Seen with Ollama 0.17.4: when a client disconnects between two words, its request may hold the model's
        only slot for ever (the stream's goroutine waits for a reader that has gone). Unloading frees the
        slot; a model that is merely slow is only unloaded once its other requests have ended.
        """
        _log.error("model silent, unloading it", model=model, seconds=self.timeout)
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
