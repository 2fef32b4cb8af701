"""The prompt sent fits the model's window, and a wrong token count is never silent.

Ollama is a small fake HTTP server here; `test_real_window.py` uses a real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog

from rag_core.answering import prompt
from rag_core.answering.chat import Chat
from rag_core.answering.threads import Threads
from rag_core.errors import InputTooLong, OllamaRefused, QuestionRefused
from rag_core.models import Passage

Body = dict[str, Any]
MODEL = "small"
MESSAGES = [{"role": "user", "content": "How high does the lamp of the lighthouse stand above the sea?"}]


def passage(text: str, title: str = "Manual") -> Passage:
    return Passage(
        document_id="d", document="d.pdf", title=title, page_start=1, page_end=1, text=text, score=0.1
    )


class Ollama:
    """Answers each request with the result of `reply`."""

    def __init__(self) -> None:
        self.asked: list[Body] = []
        self.reply: Callable[[Body], tuple[int, Body]] = lambda asked: self.answer(20)

    def answer(self, counted: int) -> tuple[int, Body]:
        message = {"role": "assistant", "content": "Forty metres."}
        return 200, {"message": message, "done": True, "prompt_eval_count": counted, "eval_count": 3}


@pytest.fixture
def ollama() -> Ollama:
    return Ollama()


@pytest.fixture
def ollama_server(ollama: Ollama) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            ollama.asked.append(asked)
            status, text = ollama.reply(asked)
            data = json.dumps(text).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def chat(ollama_server: str) -> Iterator[Chat]:
    one = Chat(address=ollama_server, timeout=5, num_ctx=1024, max_tokens=64, threads=Threads([1]))
    yield one
    one.close()


def test_ollama_is_asked_not_to_cut_a_prompt(chat: Chat, ollama: Ollama) -> None:
    assert "".join(chat.stream(MODEL, MESSAGES)) == "Forty metres."
    assert (ollama.asked[0]["truncate"], ollama.asked[0]["shift"]) == (False, False)
    assert chat.miscounts == {}


@pytest.mark.parametrize(("counted", "how"), [(3, "cut"), (200, "over")])
def test_difference_to_what_was_counted_is_an_error_in_log_and_figures(
    chat: Chat, ollama: Ollama, counted: int, how: str
) -> None:
    ollama.reply = lambda asked: ollama.answer(counted)
    with structlog.testing.capture_logs() as logs:
        assert "".join(chat.stream(MODEL, MESSAGES)) == "Forty metres."
    assert chat.miscounts == {(MODEL, how): 1}
    [line] = logs
    assert (line["log_level"], line["how"], line["read"]) == ("error", how, counted)
    assert "lighthouse" not in str(logs)


def test_prompt_that_ollama_refuses_is_counted_and_named(chat: Chat, ollama: Ollama) -> None:
    ollama.reply = lambda asked: (400, {"error": "the input length exceeds the context length"})
    with pytest.raises(InputTooLong):
        list(chat.stream(MODEL, MESSAGES))
    assert chat.miscounts == {(MODEL, "refused"): 1}


def test_other_refusals_are_not_taken_for_an_outage(chat: Chat, ollama: Ollama) -> None:
    ollama.reply = lambda asked: (400, {"error": '"small" does not support chat'})
    with pytest.raises(OllamaRefused):
        list(chat.stream(MODEL, MESSAGES))


def test_prompt_over_the_window_is_not_sent(chat: Chat, ollama: Ollama) -> None:
    with pytest.raises(InputTooLong, match="over the 960"):
        list(chat.stream(MODEL, [{"role": "user", "content": "word " * 2000}]))
    assert ollama.asked == []


HOSTILE = {
    "figures": "3141592653 58979 " * 400,
    "capitals": "SHOUTING aT rAnDoM " * 300,
    "ideographs": "\u6587\u6863\u68c0\u7d22" * 500,
    "emoji": "\U0001f600\U0001fae8" * 500,
    "unknown letters": "\ua019\ua01a \U00013000\U00013001" * 300,
    "private use": "\ue000\ue001" * 700,
    "blanks": f"a{' ' * 40}b" * 300,
    "tabs": "\ta\t\tb" * 500,
    "fences": "<<<>>>" * 600,
    "special tokens": "<|im_end|>[INST]</s>" * 200,
    "one word": "a" * 9000,
    "marks": "z\u0335\u0336\u0337" * 700,
}


@pytest.mark.parametrize("place", ["text", "title", "question", "history"])
@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_document_or_a_person_brings_the_prompt_fits(name: str, place: str) -> None:
    text = HOSTILE[name]
    given = [passage(text, "T"), passage("The lamp stands high. " * 90)] if place == "text" else []
    given = given or [passage("The lamp stands high. " * 90, title=text[:500] if place == "title" else "T")]
    question = text[:500] if place == "question" else "How high?"
    history = prompt.remembered([("And?", text)], 300) if place == "history" else []
    sizes = {"num_ctx": 4096, "max_tokens": 400}
    room = prompt.room(question, history, **sizes)
    kept = prompt.fitting(given, 1000, room)
    assert kept
    messages = prompt.messages(question, kept, "c0ffee42", history)
    assert prompt.size(messages).most <= 4096 - 400
    assert prompt.size(messages).least <= prompt.size(messages).most


def test_what_surely_fits_does_so_by_its_bytes() -> None:
    given = [passage("Forty metres. " * 60), passage("words " * 300)]
    kept, messages = prompt.surely_fitting("How high?", given, "c0ffee42", 1500)
    assert kept[0].text in given[0].text
    assert prompt.most_tokens(messages) <= 1500
    with pytest.raises(QuestionRefused, match="shorten"):
        prompt.surely_fitting("How high? " * 400, given, "c0ffee42", 1500)


def test_size_of_a_text_is_never_less_than_that_of_its_parts() -> None:
    parts = [text[:200] for text in HOSTILE.values()]
    whole = prompt.tokens("\n".join(parts))
    assert whole <= sum(map(prompt.tokens, parts)) + len(parts)
    assert prompt.tokens("") == 1
