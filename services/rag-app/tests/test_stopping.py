"""An abandoned question frees its place, even while the model reads and sends nothing.

The model is a socket that accepts a question and stays silent, like Ollama while it reads a long prompt.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from rag_app.backend import Backend
from rag_app.ui.ask import answering
from rag_app.ui.choices import Chosen
from rag_core.answering.answerer import Answerer
from rag_core.answering.chat import Chat
from rag_core.answering.threads import Threads
from rag_core.models import AnswerEvent, Done, Question, Retrieved, Token

from .conftest import TOKEN
from .test_questions_api import ANSWER

SOON = 5.0
"""Seconds; the silence itself would last two minutes."""


@dataclass
class SilentModel:
    """Accepts a question, sends nothing and notices when the client disconnects."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def serve(self) -> None:
        """Serve until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    connection.recv(65_536)
                    self.asked.set()
                    while connection.recv(65_536):
                        pass
                    self.hung_up.set()

    @property
    def address(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"


class Reading(Answerer):
    """Calls the model at once, without a search."""

    def __init__(self, address: str) -> None:
        self._chat = Chat(address=address, timeout=120, num_ctx=2048, max_tokens=64, threads=Threads([1]))

    def first_model(self, question: Question) -> str:
        """The only one."""
        return "silent"

    def ask(self, question: Question) -> Generator[AnswerEvent]:
        """Yield the real chat's stream as events; the question "quick" needs no model."""
        if question.text == "quick":
            yield Done(answer=ANSWER)
            return
        yield Retrieved(passages=())
        for piece in self._chat.stream("silent", [{"role": "user", "content": question.text}]):
            yield Token(text=piece)


@pytest.fixture
def model() -> Iterator[SilentModel]:
    """A silent model for each test."""
    silent = SilentModel()
    thread = threading.Thread(target=silent.serve)
    thread.start()
    yield silent
    silent.listener.shutdown(socket.SHUT_RDWR)
    silent.listener.close()
    thread.join()


@pytest.fixture
def backend(app: FastAPI, model: SilentModel) -> Backend:
    """The app's backend, using the silent model."""
    backend: Backend = replace(app.state.backend, answerer=Reading(model.address))
    app.state.backend = backend
    return backend


@pytest.fixture
def url(app: FastAPI, backend: Backend) -> Iterator[str]:
    """The app on a real port, so that hanging up closes a connection."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_program_that_hangs_up_frees_the_model(
    url: str, backend: Backend, model: SilentModel, accept: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with _hanging_up(url, {**headers, "Accept": accept}, "a long one"):
        assert model.asked.wait(SOON)
        assert backend.routes.length == 1
    assert model.hung_up.wait(SOON)
    reply = httpx.post(f"{url}/api/ask", json={"question": "quick"}, headers=headers, timeout=SOON)
    assert reply.json()["answer"] == ANSWER.answer
    assert backend.routes.length == 0


def test_stop_frees_the_model_and_the_next_question_starts_at_once(
    backend: Backend, model: SilentModel
) -> None:
    async def story() -> tuple[float, list[str]]:
        stopped = asyncio.create_task(_said(backend, "a long one"))
        await asyncio.to_thread(model.asked.wait, SOON)
        began = time.monotonic()
        stopped.cancel()  # as Gradio does it
        await asyncio.wait({stopped})
        assert stopped.cancelled()
        return time.monotonic() - began, await _said(backend, "quick")

    seconds, said = asyncio.run(story())
    assert seconds < SOON
    assert model.hung_up.wait(SOON)
    assert not [one for one in said if "before yours" in one]
    assert "In spring" in said[-1]


async def _said(backend: Backend, question: str) -> list[str]:
    """Everything the Ask page shows, in order."""
    chosen = Chosen(model=None, top_k=5, timeout=120)
    return [shown async for shown, _talk in answering(backend, question, "", chosen)]


@contextmanager
def _hanging_up(url: str, headers: dict[str, str], question: str) -> Iterator[None]:
    """Ask, and close the connection without waiting for an answer."""
    body = json.dumps({"question": question}).encode()
    sent = {"Host": "app", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"POST /api/ask HTTP/1.1\r\n{head}\r\n".encode() + body)
        yield
