"""A remote chat model behind a real HTTP server that a test makes answer as it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag_core.answering.chat import Chat, Ending
from rag_core.answering.miscounts import Miscounts
from rag_core.answering.threads import Threads
from rag_core.ledger.remote_tokens import RemoteTokens
from rag_core.remote.chat import RemoteChat
from rag_core.remote.model import RemoteModel
from services.rag_core.tests.openai_server import Handler, OpenAi, serving

NAME = "big"
HOST = "models.example.org"
SECRET = "the treasure is under the lighthouse"
MESSAGES = [{"role": "user", "content": f"How high does the lamp stand above the sea? {SECRET}"}]
Reply = Callable[[Handler, dict[str, Any]], None]
MakeChat = Callable[..., Chat]


@pytest.fixture
def openai() -> Iterator[OpenAi]:
    with serving() as one:
        yield one


@pytest.fixture
def make_chat(openai: OpenAi, tokens: RemoteTokens) -> Iterator[MakeChat]:
    """A chat with one remote model; Ollama cannot be reached."""
    made: list[Chat] = []

    def make(*, address: str = "", timeout: float = 5, **about: Any) -> Chat:
        remote = RemoteModel(name=NAME, slug="big-1", model="gpt-big", host=HOST, **{"window": 1024, **about})
        miscounts = Miscounts()
        elsewhere = RemoteChat(
            remote,
            address=address or openai.address,
            timeout=timeout,
            max_tokens=64,
            tokens=tokens,
            miscounts=miscounts,
        )
        sizes = {"num_ctx": 1024, "max_tokens": 64}
        made.append(
            Chat(
                address="http://127.0.0.1:9",
                timeout=timeout,
                **sizes,
                threads=Threads([1]),
                elsewhere={NAME: elsewhere},
                miscounts=miscounts,
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def chat(make_chat: MakeChat) -> Chat:
    return make_chat()


def written(chat: Chat, **options: Any) -> tuple[str, Ending]:
    """A whole answer and how it ended."""
    stream, text = chat.stream(NAME, MESSAGES, **options), ""
    while True:
        try:
            text += next(stream)
        except StopIteration as end:
            return text, end.value


def refusing(status: int, message: str = SECRET, **more: Any) -> Reply:
    return lambda handler, asked: handler.refuse(status, message, **more)


def silent_after_words(handler: Handler, asked: dict[str, Any]) -> None:
    handler.begin()
    handler.piece("The lamp ")
    handler.silence()
