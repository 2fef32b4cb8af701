"""The openai client as it is used here, and the translation of its errors.

An error names the model and its host. It repeats nothing from the server's response, which may quote the text
that was sent.
"""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx2
import openai

from rag_core.errors import (
    InputTooLong,
    RagError,
    RemoteBusy,
    RemoteDenied,
    RemoteMissing,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.remote.model import RemoteModel

# What the client can raise: its own errors, those of HTTP while it reads the body of a refusal, and Python's
# if a response does not conform to the API.
CLIENT_ERRORS = (
    openai.OpenAIError,
    httpx2.HTTPError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)

_LARGEST_REPLY = 64 * 2**20
_NOBODY_BEHIND = (502, 504)
_DEADLINE = "ragdock_deadline"
# Headers to remove: those that describe this machine, and the mandatory dummy key (the proxy adds the real).
_NEEDLESS = re.compile(r"x-stainless-|authorization$", re.I)
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|(prompt|input|message|text)s? (is|are) too long"
    r"|too many (input )?tokens|maximum (input|sequence|context|number of (input )?tokens)",
    re.I,
)
_ACCOUNT = re.compile(r"billing|quota|credit|balance", re.I)
_DEEPEST = 8  # levels of an error's body that are read
_MOST_TOKENS = 2**53
_LONGEST_ASKED = 86_400.0  # seconds; a server that asks for more has miscalculated


class RemoteTooSlow(RemoteUnavailable):
    """The server of a remote model sent nothing for too long."""


class PastDeadline(httpx2.ReadTimeout):
    """The reply was not complete in time, though some data kept coming."""


class _Bounded(httpx2.SyncByteStream):
    """A reply that ends at its deadline: a server that only sends keepalives never hits the read timeout."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request) -> None:
        self._stream = stream
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for data in self._stream:
            if time.monotonic() > self._request.extensions[_DEADLINE]:
                raise PastDeadline("the reply took too long", request=self._request)
            if (size := size + len(data)) > _LARGEST_REPLY:
                raise httpx2.ReadError("the reply is too large", request=self._request)
            yield data

    def close(self) -> None:
        self._stream.close()


def connected(
    address: str, remote: RemoteModel, seconds: float, *, hook: Callable[[Any], None] | None = None
) -> openai.OpenAI:
    """Build a client for one model whose read timeout and whole reply are limited to `seconds`.

    With a request `hook`, each request has its own connection.
    """

    def bare(request: httpx2.Request) -> None:
        for name in [name for name in request.headers if _NEEDLESS.match(name)]:
            del request.headers[name]
        request.extensions[_DEADLINE] = time.monotonic() + seconds

    def bounded(response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream, response.request)

    http = httpx2.Client(
        timeout=seconds,
        limits=httpx2.Limits(max_keepalive_connections=0 if hook else 1),
        event_hooks={"request": [bare, *([hook] if hook else [])], "response": [bounded]},
        trust_env=False,
        verify=_authorities(),
    )
    return openai.OpenAI(
        api_key="none", base_url=f"{address}/{remote.slug}", timeout=seconds, max_retries=0, http_client=http
    )


@cache
def _authorities() -> ssl.SSLContext:
    """Load the CA certificates once: that takes longer than building the rest of a client."""
    return ssl.create_default_context()


def reached(error: Exception) -> bool:
    """Whether the server may have worked on the request before this error, and so charges for it."""
    return not isinstance(error, openai.APIStatusError) and not _unconnected(error)


def translated(error: Exception, remote: RemoteModel, address: str) -> RagError:
    """Translate an error of the client into one of ours."""
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, remote)
    if _unconnected(error):
        return RemoteUnavailable(
            f"the proxy to remote models does not answer at {address};"
            " playbooks/status.yml shows whether it runs"
        )
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return RemoteTooSlow(f"{remote.host} is too slow with {remote.name!r}")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return RemoteUnavailable(f"{remote.host} broke off while {remote.name!r} was asked")
    if isinstance(error, openai.APIError):  # reported within a stream
        if over_window(error):
            return _too_long(remote)
        return RemoteUnavailable(f"{remote.host} reported an error of its own while {remote.name!r} answered")
    return RemoteUnavailable(f"{remote.host} answers for {remote.name!r} in another way than the OpenAI API")


def over_window(error: openai.APIError) -> bool:
    """Whether the server says that a text is over the model's window."""
    return bool(_TOO_LONG.search(f"{error.code or ''} {said(error)}"))


def said(error: openai.APIError) -> str:
    """Return all that an error says; the client's message has only one field of its body."""
    return f"{error.message} {_texts(error.body, _DEEPEST)}"


def reported(tokens: object) -> int:
    """Return the tokens that a server counted; 0 if what it sent can be no such count."""
    if not isinstance(tokens, int) or isinstance(tokens, bool):
        return 0
    return tokens if 0 < tokens < _MOST_TOKENS else 0


def charged(tokens: object, *, least: int, estimate: int) -> int:
    """Return the tokens to count: as reported but never fewer than possible, else the estimate."""
    known = reported(tokens)
    return max(known, least) if known else estimate


def _of_status(error: openai.APIStatusError, remote: RemoteModel) -> RagError:
    status, where, name = error.status_code, remote.host, repr(remote.name)
    if status in (401, 402, 403) or (status == 400 and _ACCOUNT.search(str(error.code or ""))):
        return RemoteDenied(
            f"{where} refuses the key or the account of {name} (HTTP {status}); renew the key in the"
            " parameter store and run the deploy playbook again"
        )
    if status == 404:
        return RemoteMissing(
            f"{where} does not know the model {remote.model!r}; correct {name} in ragdock_models and run the"
            " deploy playbook again"
        )
    if status == 413 or (status in (400, 422) and over_window(error)):
        return _too_long(remote)
    if status in (400, 422):
        return RemoteRefused(f"{where} refused what {name} was given (HTTP {status})")
    if status == 429:
        return RemoteBusy(
            f"{where} takes no more requests for {name} now (HTTP 429: too many at once, or its quota is"
            " used up)",
            retry_after=_seconds(error.response.headers.get("retry-after")),
        )
    if status in _NOBODY_BEHIND:
        return RemoteUnavailable(f"{where} does not answer for {name} (HTTP {status})")
    return RemoteUnavailable(f"{where} failed with {name} (HTTP {status})")


def _too_long(remote: RemoteModel) -> InputTooLong:
    return InputTooLong(f"a text is over the window of {remote.name!r}")


def _texts(body: object, depth: int) -> str:
    """Return the texts of an error's body without `input`, where servers repeat the request."""
    if isinstance(body, dict):
        body = [value for key, value in body.items() if key != "input"]
    if isinstance(body, list):
        return " ".join(_texts(one, depth - 1) for one in body) if depth else ""
    return body if isinstance(body, str) else ""


def _unconnected(error: Exception) -> bool:
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _seconds(given: str | None) -> float | None:
    try:
        seconds = float(given or "nan")
    except ValueError:  # a date
        return None
    return max(0.0, seconds) if math.isfinite(seconds) and seconds <= _LONGEST_ASKED else None
