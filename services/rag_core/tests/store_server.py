"""OpenSearch and Ollama as one small in-process HTTP server, limited to what the worker requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, Any]]


class Stores:
    """Their state and their responses."""

    def __init__(self) -> None:
        self.index: dict[str, Any] | None = None
        self.chunks: dict[str, str] = {}
        self.requests = 0
        self.bulk: Callable[[dict[str, str]], Reply | None] = lambda chunks: None
        self.embed: Callable[[list[str]], Reply | None] = lambda texts: None
        self.delete: Reply | None = None

    def answer(self, method: str, path: str, body: str) -> Reply:
        path = path.split("?")[0]
        if path == "/api/show":
            return 200, {"modelfile": f"FROM /models/sha256-{'0' * 64}\n", "model_info": {}}
        if path == "/api/tags":
            return 200, {"models": []}
        if path == "/_cluster/health":
            return 200, {"status": "green"}
        if path == "/api/embed":
            texts = json.loads(body)["input"]
            return self.embed(texts) or (200, {"embeddings": [[1.0, 0.5]] * len(texts)})
        if path.endswith("/_mapping"):
            if self.index is None:
                return 404, {"error": {"type": "index_not_found_exception"}}
            return 200, {"quest-research-000001": {"mappings": self.index["mappings"]}}
        if method == "PUT" and "_search" not in path:
            self.index = json.loads(body)
        if path == "/_bulk":
            self.requests += 1
            lines = [json.loads(line) for line in body.splitlines()]
            chunks = {a["index"]["_id"]: b["text"] for a, b in zip(lines[::2], lines[1::2], strict=True)}
            refused = self.bulk(chunks)
            if refused is None or refused[0] == 200:
                self.chunks |= chunks
            return refused or (200, {"errors": False, "items": []})
        if path.endswith("/_delete_by_query"):
            return self.delete or (200, {"failures": [], "version_conflicts": 0})
        return 200, {"acknowledged": True}


@contextmanager
def serving(stores: Stores) -> Iterator[str]:
    """Run the server for the `with` block; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, text = stores.answer(self.command, self.path, body)
            data = json.dumps(text).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
