"""A chat model's words as they come, with an end to every wait."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import cast

import httpx
import ollama

from rag_core import stopping
from rag_core.embed import CLIENT_ERRORS, KEEP_ALIVE, translated
from rag_core.models import Frozen

CUT_BY_LENGTH = "cut_by_length"
CUT_BY_TIME = "cut_by_time"


class Ending(Frozen):
    """How an answer ended: why it was cut, if it was, and its tokens as the model counted them."""

    cut: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0


class Chat:
    """Streams answers from Ollama; safe to share between threads."""

    def __init__(self, *, address: str, timeout: float, num_ctx: int, max_tokens: int, threads: int) -> None:
        self._address = address
        self._timeout = timeout
        self._client = self._made(timeout)
        # Low temperature: the same question should get the same answer from the same passages.
        self._options: dict[str, float] = {
            "num_ctx": num_ctx,
            "num_predict": max_tokens,
            "temperature": 0.1,
            "repeat_penalty": 1.1,  # small models fall into saying one sentence for ever
            "seed": 7,
            "num_thread": threads,
        }

    def stream(
        self, model: str, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        """Yield pieces of text; return how it ended. Closing it, or the context's STOP, stops the model.

        `timeout` shortens the deployment's own for this answer, never lengthens it.
        """
        allowed = min(timeout or self._timeout, self._timeout)
        with self._waiting(allowed) as client:
            return (yield from self._said(client, model, messages, time.monotonic() + allowed))

    def _made(self, seconds: float) -> ollama.Client:
        # The client's timeout bounds each silence, the deadline below the whole answer.
        return ollama.Client(
            host=self._address,
            timeout=seconds,
            # A connection for each answer: it is what a stop shuts down.
            limits=httpx.Limits(max_keepalive_connections=0),
            event_hooks={"request": [stopping.stoppable]},
        )

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[ollama.Client]:
        """A client that bears so much silence."""
        if seconds == self._timeout:
            yield self._client
            return
        client = self._made(seconds)
        try:
            yield client
        finally:
            client.close()  # type: ignore[no-untyped-call]

    def _said(
        self, client: ollama.Client, model: str, messages: Sequence[dict[str, str]], deadline: float
    ) -> Generator[str, None, Ending]:
        stopping.check()
        try:
            # The client types its stream as an iterator; it is a generator, and closing it ends the request.
            replies = cast(
                "Generator[ollama.ChatResponse, None, None]",
                client.chat(
                    model=model,
                    messages=list(messages),
                    stream=True,
                    options=self._options,
                    keep_alive=KEEP_ALIVE,
                ),
            )
            with closing(replies):
                for reply in replies:
                    if reply.message.content:
                        yield reply.message.content
                    if reply.done:
                        return Ending(
                            cut=CUT_BY_LENGTH if reply.done_reason == "length" else None,
                            prompt_tokens=reply.prompt_eval_count or 0,
                            answer_tokens=reply.eval_count or 0,
                        )
                    if time.monotonic() > deadline:
                        return Ending(cut=CUT_BY_TIME)
        except CLIENT_ERRORS as error:
            stopping.check()
            raise translated(error, model, self._address) from error
        return Ending(cut=CUT_BY_TIME)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]
