"""A remote embedder behind a real HTTP server that a test makes answer as it likes, and its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag_core.errors import RagError, RemoteBusy, RemoteDenied, RemoteMissing, RemoteUnavailable
from rag_core.remote.client import RemoteTooSlow
from rag_core.remote.model import RemoteModel
from services.rag_core.tests.openai_server import Handler, OpenAi, serving

NAME = "vectors"
HOST = "models.example.org"
SECRET = "the treasure is under the lighthouse"
Reply = Callable[[Handler, dict[str, Any]], None]


def embedding(handler: Handler, asked: dict[str, Any]) -> None:
    handler.vectors(asked["input"])


def remote(**about: Any) -> RemoteModel:
    given = {"name": NAME, "slug": "vectors-1", "model": "text-big", "host": HOST}
    return RemoteModel.model_validate(given | about)


@pytest.fixture
def openai() -> Iterator[OpenAi]:
    with serving() as one:
        one.reply = embedding
        yield one


def refusing(status: int, **more: Any) -> Reply:
    return lambda handler, asked: handler.refuse(status, SECRET, **more)


def giving(vector: object) -> Reply:
    return lambda handler, asked: handler.vectors(asked["input"], of=lambda text: vector)


FAULTS: dict[str, tuple[Reply, type[RagError]]] = {
    "key refused": (refusing(401), RemoteDenied),
    "unknown model": (refusing(404), RemoteMissing),
    "too many requests": (refusing(429, retry_after="0"), RemoteBusy),
    "server fault": (refusing(500), RemoteUnavailable),
    "whatever it is given is refused": (refusing(400), RemoteDenied),
    "too few vectors": (lambda handler, asked: handler.vectors(asked["input"][1:]), RemoteUnavailable),
    "another protocol": (lambda handler, asked: handler.whole(200, SECRET), RemoteUnavailable),
    "nothing in it": (lambda handler, asked: handler.whole(200, {}), RemoteUnavailable),
    "silence": (lambda handler, asked: handler.silence(), RemoteTooSlow),
    "no number": (giving([float("nan"), 1.0]), RemoteUnavailable),
}
