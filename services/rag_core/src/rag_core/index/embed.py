"""Texts to vectors by Ollama's /api/embed."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

import httpx
import ollama
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from rag_core.errors import InputTooLong, ModelMissing, OllamaRefused, OllamaUnavailable, RagError
from rag_core.extract.chunk import VERSION as CHUNKER_VERSION
from rag_core.models import Frozen
from rag_core.text import tokens

# The model stays loaded between questions; loading it again costs the first person half a second.
KEEP_ALIVE = "30m"
# Part of the contract: raise it when index.schema's mapping or analysis changes; indexes are then rebuilt.
MAPPING_VERSION = 2  # 2: analysers for more languages, parts of words, the file's name
# Texts per request. Ollama embeds them one after the other, and a question waits until all are done.
_TOGETHER = 2
# What the proxy in front of Ollama answers while Ollama is down.
_NOBODY_BEHIND = (502, 504)
_PROBE = "dimension"
# Lengths of vectors that the index can compare: it stores 32-bit floats and squares them.
_SHORTEST, _LONGEST = 1e-15, 1e15
_WEIGHTS = re.compile(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", re.M)


class Contract(Frozen):
    """What all vectors of one index have in common; stored in the index's _meta."""

    model: str
    digest: str
    dimension: int
    chunker: int = CHUNKER_VERSION
    chunk_tokens: int
    mapping: int = 1  # indexes made before this field existed have version 1

    @property
    def space(self) -> tuple[str, int]:
        """What must be equal for two vectors to be comparable: the model's weights count, not its name."""
        return self.digest, self.dimension


class TooSlow(OllamaUnavailable):
    """Ollama is up but did not finish in time."""


Before = Callable[[int], None]


class Embedder(Protocol):
    """Anything that makes vectors and can describe them."""

    def embed(
        self, texts: Sequence[str], *, model: str | None = None, before: Before | None = None
    ) -> list[list[float]]:
        """Return one vector for each text, by the model of the settings or another.

        `before` is called before each request with its number of texts; it may wait or raise.
        """
        ...

    def contract(self, model: str | None = None) -> Contract:
        """What the vectors are."""
        ...

    def spent(self, model: str | None = None) -> int:
        """Return the tokens counted against the daily limit so far today; 0 if none are counted."""
        ...

    def within(self, seconds: float | None) -> AbstractContextManager[Embedder]:
        """Provide the embedder with a timeout for an interactive request: a hang costs this time, once."""
        ...

    def forget(self) -> None:
        """Query the models again on next use."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def translated(error: Exception, model: str, address: str) -> RagError:
    """Translate an error of the Ollama client or of HTTP into one of ours."""
    if isinstance(error, ollama.ResponseError):
        text = error.error.lower()
        if error.status_code == 404 or "not found" in text:
            return ModelMissing(
                f"Ollama does not hold the model {model!r}; run the deploy playbook again, it brings every"
                " model of ragdock_models"
            )
        if error.status_code == 400 and "context length" in text:
            return InputTooLong(f"a text is over the window of {model!r}")
        if error.status_code in (400, 413, 422):
            return OllamaRefused(
                f"Ollama refused what {model!r} was given (HTTP {error.status_code}); its log says why"
            )
        if error.status_code not in _NOBODY_BEHIND:
            return OllamaUnavailable(
                f"Ollama refused {model!r} with HTTP {error.status_code}; its log says why"
            )
    elif isinstance(error, httpx.TimeoutException):
        return TooSlow(f"Ollama at {address} is too slow with {model!r}; it may be overloaded")
    return OllamaUnavailable(
        f"Ollama does not answer at {address}; playbooks/status.yml shows whether it runs"
    )


# What the client can raise: its own errors, the builtin for a refused connection, HTTP errors.
CLIENT_ERRORS = (ollama.ResponseError, ConnectionError, httpx.HTTPError)


Ask = Callable[[list[str]], list[list[float]]]


def batched(
    texts: Sequence[str], ask: Ask, *, size: int, patient: bool, before: Before | None
) -> list[list[float]]:
    """Return one vector for each text, requesting `size` texts at a time."""
    vectors: list[list[float]] = []
    for start in range(0, len(texts), size):
        together = list(texts[start : start + size])
        if before is not None:
            before(len(together))
        vectors.extend(_divided(together, ask, patient=patient))
    return vectors


def _divided(texts: list[str], ask: Ask, *, patient: bool) -> list[list[float]]:
    try:
        return ask(texts)
    except InputTooLong:
        if len(texts) == 1:
            return [_shortened(texts[0], ask)]
    except TooSlow:
        if len(texts) == 1 or not patient:
            raise
    # One text over the window fails its whole batch, and a busy machine may exceed the timeout for a batch.
    # Halving the batch isolates the former, and completes the latter.
    half = len(texts) // 2
    return [*_divided(texts[:half], ask, patient=patient), *_divided(texts[half:], ask, patient=patient)]


def _shortened(text: str, ask: Ask) -> list[float]:
    size = tokens.count(text) * 3 // 4
    while True:
        text = tokens.cut(text, size)
        try:
            return ask([text])[0]
        except InputTooLong:
            size = size * 3 // 4
            if size < 1:
                raise


def flaw(vectors: Sequence[Sequence[float]]) -> str | None:
    """Return what makes these vectors useless; None if they can be compared."""
    if len({len(vector) for vector in vectors}) > 1:
        return "vectors of several sizes"
    if not all(vectors):
        return "vectors without numbers"
    if not all(math.isfinite(number) for vector in vectors for number in vector):
        return "vectors with numbers that are not finite"
    if not all(_SHORTEST <= math.hypot(*vector) <= _LONGEST for vector in vectors):
        return "vectors without a direction: their length is zero, or not one that an index can store"
    return None


class OllamaEmbedder:
    """The embedder for models in Ollama; safe to share between threads."""

    def __init__(self, *, address: str, model: str, timeout: float, threads: int, chunk_tokens: int) -> None:
        self._client = ollama.Client(host=address, timeout=timeout)
        self._timeout = timeout
        self._patient = True
        self._address = address
        self._model = model
        self._options = {"num_thread": threads}
        self._chunk_tokens = chunk_tokens
        self._contracts: dict[str, Contract] = {}

    def embed(
        self, texts: Sequence[str], *, model: str | None = None, before: Before | None = None
    ) -> list[list[float]]:
        """Return one vector for each text, a few at a time so that no question waits for a long request."""
        name = model or self._model
        return batched(
            texts,
            lambda some: self._request(some, name),
            size=_TOGETHER,
            patient=self._patient,
            before=before,
        )

    def contract(self, model: str | None = None) -> Contract:
        """Return model, weights and dimension, queried once."""
        name = model or self._model
        if name not in self._contracts:
            self._contracts[name] = Contract(
                model=name,
                digest=self._digest(name),
                dimension=len(self._request([_PROBE], name)[0]),
                chunk_tokens=self._chunk_tokens,
                mapping=MAPPING_VERSION,
            )
        return self._contracts[name]

    def spent(self, model: str | None = None) -> int:
        """Return 0: tokens of models on this host are not counted."""
        return 0

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[OllamaEmbedder]:
        """Use this timeout (never more than its own), without retrying smaller batches."""
        hasty = copy.copy(self)
        hasty._patient = False
        if seconds is None or seconds >= self._timeout:
            yield hasty
            return
        hasty._client = ollama.Client(host=self._address, timeout=seconds)
        try:
            yield hasty
        finally:
            hasty.close()

    def forget(self) -> None:
        """Query the models again on next use: one may have been replaced while Ollama was down."""
        self._contracts.clear()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _digest(self, model: str) -> str:
        """Return the hash of the weights; unlike the manifest's, it is stable when the model is recreated."""
        try:
            modelfile = self._client.show(model).modelfile or ""
        except CLIENT_ERRORS as error:
            raise translated(error, model, self._address) from error
        found = _WEIGHTS.search(modelfile)
        if found is None:
            raise ModelMissing(f"Ollama does not say which weights {model!r} has; pull the model again")
        return found.group(1)

    def _request(self, texts: list[str], model: str) -> list[list[float]]:
        for attempt in Retrying(
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(
                lambda e: isinstance(e, OllamaUnavailable) and not isinstance(e, TooSlow)
            ),
            reraise=True,
        ):
            with attempt:
                try:
                    reply = self._client.embed(
                        model=model, input=texts, options=self._options, keep_alive=KEEP_ALIVE
                    )
                except CLIENT_ERRORS as error:
                    raise translated(error, model, self._address) from error
        vectors = [list(map(float, vector)) for vector in reply.embeddings]
        if len(vectors) != len(texts):
            raise OllamaUnavailable(
                f"Ollama gave {len(vectors)} vectors for {len(texts)} texts; its log says why"
            )
        if wrong := flaw(vectors):
            # Ingestion waits if the model makes no usable vector at all, else only this document fails.
            kind = OllamaUnavailable if texts == [_PROBE] else OllamaRefused
            raise kind(f"Ollama gave {wrong} for {model!r}; its log may say why")
        return vectors


class Embedders:
    """Chooses an embedder by model name: remote models have their own, Ollama has all others."""

    def __init__(self, model: str, local: Embedder, remote: Mapping[str, Embedder]) -> None:
        self._model = model
        self._local = local
        self._remote = remote

    def embed(
        self, texts: Sequence[str], *, model: str | None = None, before: Before | None = None
    ) -> list[list[float]]:
        """One vector for each text."""
        return self._of(model).embed(texts, model=model, before=before)

    def contract(self, model: str | None = None) -> Contract:
        """What the vectors are."""
        return self._of(model).contract(model)

    def spent(self, model: str | None = None) -> int:
        """Return the tokens counted against the daily limit."""
        return self._of(model).spent(model)

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[Embedders]:
        """Use this timeout for each embedder."""
        with ExitStack() as stack:
            hasty = {name: stack.enter_context(one.within(seconds)) for name, one in self._remote.items()}
            yield Embedders(self._model, stack.enter_context(self._local.within(seconds)), hasty)

    def forget(self) -> None:
        """Query the models again on next use."""
        for one in (self._local, *self._remote.values()):
            one.forget()

    def close(self) -> None:
        """Close the connections."""
        for one in (self._local, *self._remote.values()):
            one.close()

    def _of(self, model: str | None) -> Embedder:
        return self._remote.get(model or self._model, self._local)
