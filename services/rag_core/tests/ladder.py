"""Two remote models and a local one at one real server, for tests of which of them answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from rag_core import factory
from rag_core.answering.answerer import Answerer
from rag_core.answering.aside import Aside
from rag_core.models import Answer, AnswerEvent, Done, Passage, Question, Switched
from rag_core.remote.model import RemoteModel
from rag_core.retrieval.retriever import Found, Retriever
from rag_core.settings import RagSettings
from services.rag_core.tests.conftest import Clock
from services.rag_core.tests.openai_server import Handler, OpenAi, serving

HOST = "models.example.org"
BIG = RemoteModel(name="big", slug="big", model="gpt-big", host=HOST)
LARGE = RemoteModel(name="large", slug="large", model="gpt-large", host="other.example.org")
LAMP = Passage(
    document_id="d",
    document="d.pdf",
    title="Lamp",
    page_start=1,
    page_end=1,
    text="The lamp of the lighthouse stands forty metres above the sea.",
    score=0.1,
    similarity=0.9,
)
QUESTION = Question(text="How high does the lamp of the lighthouse stand above the sea?")
MakeAnswerer = Callable[..., Answerer]


class Finding:
    """A retriever that finds one passage."""

    def __init__(self, remark: str) -> None:
        self.found = Found(passages=(LAMP,), words={"lamp": 1}, by_meaning=not remark, remark=remark)

    def checked(self, text: str) -> str:
        return text

    def find(self, *_: Any, **__: Any) -> Found:
        return self.found

    def generation(self) -> str:
        return "1"

    def close(self) -> None:
        """Nothing is open."""


class Server:
    """Ollama and the proxy at one address: `remote` answers for remote models, `local` is Ollama's answer."""

    def __init__(self, openai: OpenAi) -> None:
        self.openai = openai
        self.local: str | None = "Forty metres [1]."
        self.on_local: Callable[[], None] = lambda: None
        self.remote: Callable[[Handler, str], None] = lambda handler, slug: handler.answer(["Forty metres."])
        openai.reply = self.reply

    def reply(self, handler: Handler, asked: dict[str, Any]) -> None:
        if not handler.path.startswith("/api/"):
            self.remote(handler, handler.path.split("/")[1])
        elif handler.path == "/api/chat" and self.local is not None:
            self.on_local()
            message = {"role": "assistant", "content": self.local}
            handler.whole(200, {"message": message, "done": True, "prompt_eval_count": 200, "eval_count": 3})
        else:
            handler.whole(404, {"error": "model not found"})


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as openai:
        yield Server(openai)


@pytest.fixture
def make_settings(server: Server, tmp_path: Path) -> Callable[..., RagSettings]:
    def make(**changed: Any) -> RagSettings:
        given = {
            "ollama_base_url": server.openai.address,
            "ollama_model": "big",
            "ollama_fallback_model": "small",
            "remote_base_url": server.openai.address,
            "remote_models": (BIG, LARGE),
            "ledger_path": tmp_path / "ledger.sqlite3",
        }
        return RagSettings.model_validate(given | changed)

    return make


@pytest.fixture
def make_answerer(
    make_settings: Callable[..., RagSettings], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[MakeAnswerer]:
    made: list[Answerer] = []

    def make(*, remark: str = "", **changed: Any) -> Answerer:
        monkeypatch.setattr(factory, "build_retriever", lambda *_: cast("Retriever", Finding(remark)))
        settings = make_settings(**changed)
        made.append(factory.build_answerer(settings))
        made[-1]._aside = Aside(settings.hosts, clock)
        return made[-1]

    yield make
    for one in made:
        one.close()


def asked(answerer: Answerer, **more: Any) -> tuple[list[Switched], Answer]:
    """Ask the question; returns the switches of the model and the answer."""
    events: list[AnswerEvent] = list(answerer.ask(QUESTION.model_copy(update=more)))
    done = events[-1]
    assert isinstance(done, Done)
    return [event for event in events if isinstance(event, Switched)], done.answer
