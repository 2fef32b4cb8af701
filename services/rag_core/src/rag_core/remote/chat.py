"""Streams a remote chat model's text, with the same guarantees as `answering.chat`."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import openai

from rag_core.answering import cancellation, prompt
from rag_core.answering.chat import CUT_BY_LENGTH, CUT_BY_TIME, Ending
from rag_core.answering.miscounts import Miscounts
from rag_core.errors import InputTooLong, RemoteRefused, RemoteUnavailable
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens, Spent
from rag_core.remote import client as remote_client
from rag_core.remote.client import CLIENT_ERRORS, PastDeadline
from rag_core.remote.model import RemoteModel

if TYPE_CHECKING:
    from openai import Stream
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
    from openai.types.chat.chat_completion_chunk import ChoiceDelta

_UNWANTED = ("unsupported_parameter", "unsupported_value")


class RemoteChat:
    """Streams answers of one remote model; safe to share between threads."""

    def __init__(
        self,
        remote: RemoteModel,
        *,
        address: str,
        timeout: float,
        max_tokens: int,
        tokens: RemoteTokens,
        miscounts: Miscounts,
    ) -> None:
        self._remote = remote
        self._address = address
        self._timeout = timeout
        self._max_tokens = max_tokens
        self._tokens = tokens
        self._miscounts = miscounts
        # Low temperature: the same question should get the same answer from the same passages.
        self._options: dict[str, float] = {"max_tokens": max_tokens, "temperature": 0.1}

    def stream(
        self, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        """Yield pieces of text; return how it ended. Closing it, or the context's STOP, ends the request."""
        cancellation.check()
        counted = prompt.size(messages)
        window = self._remote.window - self._max_tokens
        if min(counted.most, prompt.most_tokens(messages)) > window:
            raise InputTooLong(f"a prompt of up to {counted.most} tokens is over the {window} it may have")
        allowed = min(timeout or self._timeout, self._timeout)
        with self._tokens.allowed(self._remote, counted.most + self._max_tokens) as spent:
            reading = _Reading(self._remote, counted, spent, time.monotonic() + allowed)
            client = remote_client.connected(
                self._address, self._remote, allowed, hook=cancellation.stoppable
            )
            try:
                with closing(self._opened(client, messages)) as chunks:
                    ending = yield from reading.read(chunks)
            except CLIENT_ERRORS as error:
                cancellation.check()
                if remote_client.reached(error):
                    reading.begun = True
                if reading.text and isinstance(error.__cause__, PastDeadline):
                    return Ending(cut=CUT_BY_TIME)
                ours = remote_client.translated(error, self._remote, self._address)
                if isinstance(ours, InputTooLong):
                    self._miscounts.add(self._remote.name, "refused", counted, 0)
                raise ours from error
            finally:
                reading.count()
                client.close()
            self._miscounts.compare(self._remote.name, counted, ending.prompt_tokens)
            return ending

    def close(self) -> None:
        """Close the connections."""
        self._tokens.close()

    def _opened(
        self, client: openai.OpenAI, messages: Sequence[dict[str, str]]
    ) -> Stream[ChatCompletionChunk]:
        while True:
            options = self._options
            try:
                return client.chat.completions.create(
                    model=self._remote.model,
                    messages=cast("Iterable[ChatCompletionMessageParam]", messages),
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_body=options,
                )
            except openai.BadRequestError as error:
                if error.code not in _UNWANTED or error.param not in options:
                    raise
                self._options = _without(options, error.param)


class _Reading:
    """The state of receiving one answer."""

    def __init__(self, remote: RemoteModel, counted: prompt.Size, spent: Spent, deadline: float) -> None:
        self._remote = remote
        self._counted = counted
        self._spent = spent
        self._deadline = deadline
        self._usage: CompletionUsage | None = None
        self._asked = time.monotonic()
        self._read_seconds = 0.0
        self.text = ""
        self.begun = False  # the server has worked on it, so its tokens count

    def read(self, chunks: Stream[ChatCompletionChunk]) -> Generator[str, None, Ending]:
        """Yield its text; return how it ended."""
        self.begun = True
        finish: str | None = None
        for chunk in chunks:
            self._usage = chunk.usage or self._usage
            for choice in chunk.choices or ():
                self._written(choice.delta)
                finish = choice.finish_reason or finish
                if choice.delta and choice.delta.content:
                    self.text += choice.delta.content
                    yield choice.delta.content
            if time.monotonic() > self._deadline:
                return Ending(cut=CUT_BY_TIME)
        host, name = self._remote.host, self._remote.name
        if finish is None:
            raise RemoteUnavailable(f"{host} broke the answer of {name!r} off in the middle")
        if finish == "content_filter":
            raise RemoteRefused(
                f"{host} holds back what {name!r} wrote: its content filter did not let it pass"
            )
        return Ending(
            cut=CUT_BY_LENGTH if finish == "length" else None,
            prompt_tokens=self._usage.prompt_tokens if self._usage else 0,
            answer_tokens=self._usage.completion_tokens if self._usage else 0,
            read_tokens=self._read_tokens(),
            read_seconds=self._read_seconds,
        )

    def _written(self, delta: ChoiceDelta | None) -> None:
        """Note that the model has read the prompt, at its first word or first reasoning token.

        Servers do not report how long reading took. Time spent in their queue is included, as users wait for
        it, too.
        """
        if not self._read_seconds and delta and (delta.content or delta.model_extra):
            self._read_seconds = time.monotonic() - self._asked

    def _read_tokens(self) -> int:
        """Return the prompt's tokens that the server had not cached."""
        if self._usage is None:
            return 0
        details = self._usage.prompt_tokens_details
        return self._usage.prompt_tokens - (details.cached_tokens or 0 if details else 0)

    def count(self) -> None:
        """Count its tokens: as the server reported them, or by a safe estimate if it did not."""
        if not self.begun:
            return
        usage = self._usage
        self._spent[PROMPT] += usage.prompt_tokens if usage else self._counted.most
        self._spent[ANSWER] += usage.completion_tokens if usage else prompt.tokens(self.text)


def _without(options: dict[str, float], unwanted: str) -> dict[str, Any]:
    """Return the options without one that the model does not accept, or with its newer name."""
    kept = {name: value for name, value in options.items() if name != unwanted}
    return {**kept, "max_completion_tokens": options[unwanted]} if unwanted == "max_tokens" else kept
