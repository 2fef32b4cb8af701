"""Texts to vectors by a server with the OpenAI API."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from openai.types import CreateEmbeddingResponse, Embedding
from tenacity import RetryCallState, Retrying, retry_if_exception

from rag_core.answering.aside import Aside
from rag_core.errors import (
    BudgetUsed,
    ModelMissing,
    RemoteBusy,
    RemoteDenied,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.index.embed import MAPPING_VERSION, Before, Contract, batched, flaw
from rag_core.ledger.remote_tokens import EMBED, RemoteTokens
from rag_core.remote import client as remote_client
from rag_core.remote.client import CLIENT_ERRORS, RemoteTooSlow
from rag_core.remote.model import RemoteModel
from rag_core.remote.options import Options
from rag_core.text import tokens

_PROBE = "dimension"
_TRIES = 3
_TRIES_OF_BUSY = 5
_LONGEST_WAIT = 20.0  # seconds; several fit into a document's lease and the worker's heartbeat
# Most tokens per word piece: models with other vocabularies split text finer.
_TOKENS_PER_PIECE = 2


def contract(remote: RemoteModel, dimension: int, chunk_tokens: int) -> Contract:
    """Return the contract of a remote model's vectors, without a request."""
    return Contract(
        model=remote.name,
        digest=remote.identity,
        dimension=dimension,
        chunk_tokens=chunk_tokens,
        mapping=MAPPING_VERSION,
    )


class _Unusable(RemoteUnavailable):
    """The server gave vectors that no index can hold."""


class RemoteEmbedder:
    """An embedder for one remote model; safe to share between threads."""

    def __init__(
        self,
        remote: RemoteModel,
        *,
        address: str,
        timeout: float,
        batch: int,
        chunk_tokens: int,
        tokens: RemoteTokens,
    ) -> None:
        self._remote = remote
        self._address = address
        self._timeout = timeout
        self._batch = batch
        self._chunk_tokens = chunk_tokens
        self._tokens = tokens
        self._patient = True
        self._own_limit: float | None = None
        self._client = remote_client.connected(address, remote, timeout)
        # Shared with the copies of `within`: what one of them finds out is not asked and paid for again.
        self._dimensions: dict[str, int] = {}
        self._aside = Aside([remote.name])
        self._options = Options({"encoding_format": "float"})

    def embed(
        self, texts: Sequence[str], *, model: str | None = None, before: Before | None = None
    ) -> list[list[float]]:
        """One vector for each text, in batches."""
        self._own(model)
        return batched(texts, self._request, size=self._batch, patient=self._patient, before=before)

    def contract(self, model: str | None = None) -> Contract:
        """Return model, host and dimension; the dimension is found once, by embedding one word."""
        self._own(model)
        name = self._remote.name
        dimension = self._dimensions.get(name)
        if dimension is None:
            dimension = self._dimensions[name] = len(self._request([_PROBE])[0])
        return contract(self._remote, dimension, self._chunk_tokens)

    def spent(self, model: str | None = None) -> int:
        """Tokens since midnight (UTC)."""
        self._own(model)
        return self._tokens.today().get(self._remote.name, 0)

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[RemoteEmbedder]:
        """Use this timeout (never more than its own), without waiting for a server that is busy or away.

        One that failed is left out for a while, so that not every question waits for the same failure.
        """
        hasty = copy.copy(self)
        hasty._patient = False
        if seconds is None or seconds >= self._timeout:
            yield hasty
            return
        hasty._own_limit = seconds
        hasty._client = remote_client.connected(self._address, self._remote, seconds)
        try:
            yield hasty
        finally:
            hasty._client.close()

    def forget(self) -> None:
        """Query the model again on next use, which also shows whether the server is back."""
        self._dimensions.clear()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._tokens.close()

    def _own(self, model: str | None) -> None:
        if model not in (None, self._remote.name):
            raise ModelMissing(f"{self._remote.host} is asked for {self._remote.name!r} alone")

    def _request(self, texts: list[str]) -> list[list[float]]:
        try:
            vectors = self._persistent(texts)
        except _Unusable as unusable:
            # While a document is read: if other texts get vectors, only this document fails.
            if self._patient and texts != [_PROBE] and self._persistent([_PROBE]):
                raise RemoteRefused(unusable.message) from unusable
            raise RemoteUnavailable(unusable.message) from unusable
        known = self._dimensions.get(self._remote.name)
        if known not in (None, len(vectors[0])):
            self.forget()  # the next contract names the new size, and a new index is built for it
            raise RemoteUnavailable(
                f"{self._remote.host} makes vectors of another size for {self._remote.name!r} than before"
            )
        return vectors

    def _persistent(self, texts: list[str]) -> list[list[float]]:
        if not self._patient:
            with self._aside.asking(self._remote.name, self._own_limit):
                return self._answered(texts)
        for attempt in Retrying(
            stop=_enough,
            wait=_pause,
            retry=retry_if_exception(self._passes),
            reraise=True,
        ):
            with attempt:
                return self._answered(texts)
        raise AssertionError("tenacity returns or raises")

    def _answered(self, texts: list[str]) -> list[list[float]]:
        try:
            return self._sent(texts)
        except RemoteRefused as refused:
            # A document only fails because of its own text, not if the server refuses every request.
            if texts == [_PROBE] or self._refuses([_PROBE]):
                raise RemoteDenied(refused.message) from refused
            raise

    def _refuses(self, texts: list[str]) -> bool:
        try:
            self._sent(texts)
        except RemoteRefused:
            return True
        return False

    def _sent(self, texts: list[str]) -> list[list[float]]:
        least = sum(len(text.split()) for text in texts)
        most = sum(tokens.count(text) * _TOKENS_PER_PIECE + 2 for text in texts)
        with self._tokens.allowed(self._remote, most) as spent:
            try:
                reply = self._options.ask(partial(self._created, texts))
                spent[EMBED] += remote_client.charged(
                    getattr(reply.usage, "prompt_tokens", None), least=least, estimate=most
                )
                vectors = [list(map(float, one.embedding)) for one in _ordered(reply.data)]
            except CLIENT_ERRORS as error:
                if remote_client.reached(error) and not spent:
                    spent[EMBED] += most
                raise remote_client.translated(error, self._remote, self._address) from error
        if len(vectors) != len(texts):
            raise RemoteUnavailable(f"{self._remote.host} gave {len(vectors)} vectors for {len(texts)} texts")
        if wrong := flaw(vectors):
            raise _Unusable(f"{self._remote.host} gave {wrong} for {self._remote.name!r}")
        return vectors

    def _created(self, texts: list[str], options: Mapping[str, Any]) -> CreateEmbeddingResponse:
        # The client's own method asks for base64 where no format is given.
        body = {"model": self._remote.model, "input": texts, **options}
        return self._client.post("/embeddings", cast_to=CreateEmbeddingResponse, body=body)

    def _passes(self, error: BaseException) -> bool:
        """Whether a retry soon may help."""
        return isinstance(error, RemoteUnavailable) and not isinstance(
            error, RemoteDenied | BudgetUsed | RemoteTooSlow
        )


def _ordered(found: Sequence[Embedding]) -> Sequence[Embedding]:
    """Return the vectors in the order of their texts; some servers number none, and send them in order."""
    if any(one.index is None for one in found):
        return found
    return sorted(found, key=lambda one: one.index)


def _enough(state: RetryCallState) -> bool:
    return state.attempt_number >= (_TRIES_OF_BUSY if isinstance(_error(state), RemoteBusy) else _TRIES)


def _pause(state: RetryCallState) -> float:
    error = _error(state)
    if not isinstance(error, RemoteBusy):
        return 0.1 * 2.0**state.attempt_number
    asked = error.retry_after
    return min(_LONGEST_WAIT, 2.0**state.attempt_number if asked is None else asked)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
