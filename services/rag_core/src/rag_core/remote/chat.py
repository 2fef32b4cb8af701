"""Streams a remote chat model's text, with the same guarantees as `answering.chat`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import openai

from rag_core.answering import cancellation, prompt
from rag_core.answering.chat import CUT_BY_LENGTH, CUT_BY_TIME, Ending
from rag_core.answering.miscounts import Miscounts
from rag_core.errors import InputTooLong, RemoteRefused, RemoteUnavailable
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens, Spent
from rag_core.remote import client as remote_client
from rag_core.remote.client import CLIENT_ERRORS, PastDeadline, RemoteTooSlow
from rag_core.remote.model import RemoteModel
from rag_core.remote.options import Options

if TYPE_CHECKING:
    from openai import Stream
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
    from openai.types.chat.chat_completion_chunk import ChoiceDelta

_CACHED = "cached"
_COUNTED = 200_000  # characters; no honest server sends more in time, and counting takes time, too


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
        self._options = Options(
            {"stream_options": {"include_usage": True}, "temperature": 0.1, "max_tokens": max_tokens}
        )

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
                if remote_client.reached(error):
                    reading.begun = True
                cancellation.check()
                if reading.text.strip() and isinstance(error.__cause__, PastDeadline):
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
        def request(options: Mapping[str, Any]) -> Stream[ChatCompletionChunk]:
            return client.chat.completions.create(
                model=self._remote.model,
                messages=cast("Iterable[ChatCompletionMessageParam]", messages),
                stream=True,
                extra_body=options,
            )

        return self._options.ask(request)


class _Reading:
    """The state of receiving one answer."""

    def __init__(self, remote: RemoteModel, counted: prompt.Size, spent: Spent, deadline: float) -> None:
        self._remote = remote
        self._counted = counted
        self._spent = spent
        self._deadline = deadline
        self._reported: Counter[str] = Counter()
        self._finish: str | None = None
        self._thoughts = ""
        self._asked = time.monotonic()
        self._read_seconds = 0.0
        self.text = ""
        self.begun = False  # the server has worked on it, so its tokens count

    def read(self, chunks: Stream[ChatCompletionChunk]) -> Generator[str, None, Ending]:
        """Yield its text; return how it ended."""
        self.begun = True
        host, name = self._remote.host, self._remote.name
        for chunk in self._to_the_end(chunks):
            self._note(chunk.usage)
            for choice in chunk.choices or ():
                self._written(choice.delta)
                self._finish = choice.finish_reason or self._finish
                if choice.delta and (piece := _text(choice.delta.content)):
                    self.text += piece
                    yield piece
            if self._finish is None and time.monotonic() > self._deadline:
                if self.text.strip():
                    return Ending(cut=CUT_BY_TIME)
                raise RemoteTooSlow(f"{host} is too slow with {name!r}")
        if self._finish is None:
            raise RemoteUnavailable(f"{host} broke the answer of {name!r} off in the middle")
        if self._finish == "content_filter":
            raise RemoteRefused(
                f"{host} holds back what {name!r} wrote: its content filter did not let it pass"
            )
        if not self.text.strip():
            spent = ": its tokens were used up before the first word" if self._finish == "length" else ""
            raise RemoteUnavailable(f"{host} gave an empty answer for {name!r}{spent}")
        return Ending(
            cut=CUT_BY_LENGTH if self._finish == "length" else None,
            prompt_tokens=self._reported[PROMPT],
            answer_tokens=self._reported[ANSWER],
            # Without the tokens that the server had cached.
            read_tokens=max(0, self._reported[PROMPT] - self._reported[_CACHED]),
            read_seconds=self._read_seconds,
        )

    def _to_the_end(self, chunks: Stream[ChatCompletionChunk]) -> Iterator[ChatCompletionChunk]:
        """Yield the chunks; a fault behind the end of the answer costs only what the server counted."""
        try:
            yield from chunks
        except CLIENT_ERRORS:
            cancellation.check()
            if self._finish is None:
                raise

    def _note(self, usage: object) -> None:
        """Note the server's token counts; some servers send them so far with every chunk."""
        details = getattr(usage, "prompt_tokens_details", None)
        counts = {
            PROMPT: getattr(usage, "prompt_tokens", None),
            ANSWER: getattr(usage, "completion_tokens", None),
            _CACHED: getattr(details, "cached_tokens", None),
        }
        self._reported |= Counter({kind: remote_client.reported(count) for kind, count in counts.items()})

    def _written(self, delta: ChoiceDelta | None) -> None:
        """Note what the model thinks, and at its first word or thought that it has read the prompt.

        Servers do not report how long reading took. Time spent in their queue is included, as users wait for
        it, too.
        """
        if not delta:
            return
        # Many servers send the field of the thoughts with every piece, empty.
        thoughts = [one for one in (delta.model_extra or {}).values() if one]
        if len(self._thoughts) < _COUNTED:
            self._thoughts += "".join(_clean(one) for one in thoughts if isinstance(one, str))
        if not self._read_seconds and (delta.content or thoughts):
            self._read_seconds = time.monotonic() - self._asked

    def count(self) -> None:
        """Count its tokens: as the server reported them, or by a safe estimate if it did not."""
        if not self.begun:
            return
        self._spent[PROMPT] += remote_client.charged(
            self._reported[PROMPT], least=self._counted.least, estimate=self._counted.most
        )
        self._spent[ANSWER] += remote_client.charged(
            self._reported[ANSWER],
            least=len(self.text.split()),
            estimate=prompt.tokens((self.text + self._thoughts)[:_COUNTED]),
        )


def _text(content: object) -> str:
    """Return the text of a piece; models that think send it in parts, and only some of them are text."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(_clean(text) for text in texts if isinstance(text, str))
    return _clean(content) if isinstance(content, str) else ""


def _clean(text: str) -> str:
    """Replace halves of characters, which JSON can hold and nothing else can."""
    return text.encode("utf-8", "replace").decode()
