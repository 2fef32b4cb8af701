"""A small in-process server that speaks the OpenAI API over a real socket, as forwarded by the proxy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Asked = dict[str, Any]


class OpenAi:
    """The requests received, and `reply`, a function that writes the response to the request's handler."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.gone = threading.Event()  # set when a client disconnects from a silent server
        self.over = threading.Event()  # set when the test is over
        self.reply: Callable[[Handler, Asked], None] = lambda handler, asked: handler.answer(["High", "."])
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.path == "/api/tags":  # Ollama's API
            self.whole(200, {"models": []})
        else:
            self.refuse(403, "nothing here")

    def do_POST(self) -> None:
        openai = self.server.openai
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        openai.asked.append(asked)
        openai.paths.append(self.path)
        openai.headers.append({name.lower(): value for name, value in self.headers.items()})
        openai.reply(self, asked)

    def begin(self) -> None:
        """Send the head of a stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, text: str) -> None:
        """Send a piece of a stream as is."""
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, data: Asked) -> None:
        """Send one event of a stream."""
        self.raw(f"data: {json.dumps(data)}\n\n")

    def delta(self, finish: str | None = None, **delta: object) -> None:
        """Send a piece of an answer with these fields."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.event(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    def piece(self, text: str, finish: str | None = None) -> None:
        """Send a piece of an answer's text."""
        self.delta(finish, role="assistant", content=text)

    def end(self) -> None:
        """End a stream."""
        self.raw("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def answer(
        self,
        pieces: list[str],
        *,
        finish: str = "stop",
        read: int | None = 20,
        written: int = 3,
        usage: object = None,
    ) -> None:
        """Send a complete answer, with `usage` or else these token counts; with none if `read` is None."""
        self.begin()
        for piece in pieces:
            self.piece(piece)
        self.piece("", finish)
        if read is not None:
            counts = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
            usage = counts if usage is None else usage
            self.event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
        self.end()

    def vectors(
        self,
        texts: list[str],
        *,
        size: int = 2,
        read: int | None = None,
        usage: object = None,
        of: Callable[[str], object] | None = None,
    ) -> None:
        """Send a vector for each text, in the wrong order: what `of` makes of it, or one of this size."""
        of = of or (lambda text: [1.0] + [float(len(text))] * (size - 1))
        data = [
            {"object": "embedding", "index": place, "embedding": of(text)} for place, text in enumerate(texts)
        ]
        read = sum(len(text.split()) for text in texts) if read is None else read
        usage = {"prompt_tokens": read, "total_tokens": read} if usage is None else usage
        self.whole(200, {"object": "list", "model": "m", "data": data[::-1], "usage": usage})

    def whole(self, status: int, body: Asked | str, headers: dict[str, str] | None = None) -> None:
        """Send a complete response."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, **headers: str
    ) -> None:
        """Send an error in the format of the API."""
        error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
        self.whole(
            status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def silence(self) -> None:
        """Send nothing until the client has left or the test is over."""
        self.connection.settimeout(0.02)
        openai = self.server.openai
        while not openai.over.is_set():
            try:
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        openai.gone.set()
        self.close_connection = True

    def drip(self, text: str) -> None:
        """Send the same text repeatedly until the client has left or the test is over."""
        try:
            while not self.server.openai.over.is_set():
                self.raw(text)
                time.sleep(0.02)
        except OSError:
            self.server.openai.gone.set()
        self.close_connection = True

    def cut(self) -> None:
        """Cut the connection."""
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Do not log requests."""


class Server(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    def __init__(self, openai: OpenAi) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.openai = openai

    def handle_error(self, *_: object) -> None:
        """Ignore errors: some tests disconnect early."""


@contextmanager
def serving() -> Iterator[OpenAi]:
    """Run the server for the `with` block."""
    openai = OpenAi()
    server = Server(openai)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    openai.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield openai
    finally:
        openai.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
