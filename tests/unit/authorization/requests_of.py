"""The request that boto3 makes for a call, without sending it, and the error of a refused one."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.request import Request

from sandbox.aws.authorization.calls import Call, read
from sandbox.aws.people import Keys
from sandbox.aws.signature import credential

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "none")


class NotSentError(Exception):
    """Raised instead of sending: the request has been captured."""


@cache
def _client(service: str, keys: Keys) -> tuple[Any, list[Any]]:
    """Return a client, and the list where it puts requests instead of sending them."""
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
    )
    sent: list[Any] = []

    def stop(request: Any, **_: Any) -> None:
        sent.append(request)
        raise NotSentError

    client.meta.events.register_last("before-send", stop)
    return client, sent


def environ_of(service: str, operation: str, keys: Keys, **parameters: Any) -> tuple[dict[str, Any], bytes]:
    """The request as a WSGI server receives it, and its body."""
    client, sent = _client(service, keys)
    with suppress(NotSentError):
        getattr(client, operation)(**parameters)
    made = sent.pop()
    request = Request.from_primitives(made.method, made.url, made.headers, made.body)
    body = request.get_data()
    return {**request.environ, "wsgi.input": io.BytesIO(body)}, body


def call_of(service: str, operation: str, **parameters: Any) -> Call:
    """The call that the sandbox reads from the request."""
    environ, body = environ_of(service, operation, KEYS, **parameters)
    signed = credential(environ)
    assert signed
    assert signed.key == KEYS.access
    return read(environ, body, signed)


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and the message of a refusal."""
    with pytest.raises(ClientError) as found:
        call(**parameters)
    said = found.value.response["Error"]
    return str(said["Code"]), str(said["Message"])
