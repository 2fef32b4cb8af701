"""A model that stays silent until a question times out is reloaded, and the next question is answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rag_core.answering.chat import Chat
from rag_core.answering.threads import Threads
from rag_core.index.embed import TooSlow

MESSAGES = [{"role": "user", "content": "How high does the lamp stand?"}]


class Stuck:
    """A server like Ollama whose model answers nothing until it is unloaded."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.words_first = 0
        self.unloaded = threading.Event()
        self.over = threading.Event()


@pytest.fixture
def stuck() -> Stuck:
    return Stuck()


@pytest.fixture
def chat(stuck: Stuck) -> Iterator[Chat]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stuck.asked.append(asked)
            self.send_response(200)
            self.end_headers()
            if asked.get("keep_alive") == 0:
                stuck.unloaded.set()
                self.wfile.write(b'{"message": {"role": "assistant", "content": ""}, "done": true}\n')
                return
            for _ in range(stuck.words_first):
                self.wfile.write(b'{"message": {"role": "assistant", "content": "Well "}, "done": false}\n')
            if stuck.unloaded.is_set():
                self.wfile.write(b'{"message": {"role": "assistant", "content": "High."}, "done": true}\n')
            else:
                stuck.over.wait(30)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    one = Chat(address=address, timeout=0.3, num_ctx=1024, max_tokens=64, threads=Threads([1, 2]))
    yield one
    stuck.over.set()
    one.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_silent_model_is_unloaded_and_answers_the_next_question(chat: Chat, stuck: Stuck) -> None:
    with pytest.raises(TooSlow):
        list(chat.stream("small", MESSAGES))
    assert (stuck.asked[-1]["keep_alive"], stuck.asked[-1]["messages"]) == (0, [])
    assert "".join(chat.stream("small", MESSAGES)) == "High."


def test_a_model_that_began_to_write_stays(chat: Chat, stuck: Stuck) -> None:
    stuck.words_first = 2
    with pytest.raises(TooSlow):
        list(chat.stream("small", MESSAGES))
    assert not stuck.unloaded.is_set()


def test_a_person_who_waits_for_less_unloads_nothing(chat: Chat, stuck: Stuck) -> None:
    with pytest.raises(TooSlow):
        list(chat.stream("small", MESSAGES, timeout=0.1))
    assert not stuck.unloaded.is_set()


@pytest.mark.parametrize(("waited", "threads"), [(None, 2), (0.1, 1)])
def test_another_number_of_threads_is_next_when_the_deployments_time_ran_out(
    chat: Chat, stuck: Stuck, waited: float | None, threads: int
) -> None:
    """A shorter timeout chosen by a user says nothing about the number of threads."""
    stuck.words_first = 2
    with pytest.raises(TooSlow):
        list(chat.stream("small", MESSAGES, timeout=waited))
    assert chat.reader("small") == ("small", threads)
