"""Two remote models and a local one at one real server, for tests of which of them answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rag_core.models import Passage, Question
from rag_core.remote.model import RemoteModel
from rag_core.retrieval.retriever import Found
from services.rag_core.tests.openai_server import Handler, OpenAi

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
