"""Makes moto's state persistent: each request that changes something is recorded and can be replayed.

moto keeps its state in memory and draws every identifier from one random source. Before
each changing request that source is seeded with the request's own number, so the same
request draws the same identifiers whenever it is replayed, regardless of reads in between.
Times (launch, last change) are those of the replay.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.aws import operations
from sandbox.aws.journal import Journal

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Recorder:
    """A WSGI application around moto's own."""

    def __init__(self, app: App, journal: Journal, random: Any, salt: str) -> None:
        """Wrap `app`, whose identifiers come from `random`."""
        self._app = app
        self._journal = journal
        self._random = random
        self._salt = salt
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request, and record it if it changes something."""
        if environ.get("PATH_INFO") == "/sandbox/events":
            return self._answer_events(environ, start_response)
        body = take_body(environ)
        name = operations.operation(environ, body)
        if operations.reads_only(environ, name):
            return self._app(environ, start_response)
        saved = {key: value for key, value in environ.items() if isinstance(value, str)}
        with self._lock:
            response, status = self._run(environ, start_response)
            head = {"environ": saved, "status": status}
            self._journal.append(json.dumps(head).encode() + b"\n" + body)
            self._note(name, body)
        return response

    def replay(self) -> tuple[int, list[str]]:
        """Replay the journal; return the number of requests, and those with a different result."""
        count, differing = 0, []
        for record in self._journal.read():
            head, _, body = record.partition(b"\n")
            entry = json.loads(head)
            environ = {
                **entry["environ"],
                "wsgi.version": (1, 0),
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": False,
                "wsgi.run_once": False,
                "werkzeug.socket": None,
            }
            name = operations.operation(environ, body)
            _, status = self._run(environ, lambda *_: None)
            if status != entry["status"]:
                differing.append(f"{name or environ['REQUEST_METHOD']}: {entry['status']} became {status}")
            self._note(name, body)
            count += 1
        return count, differing

    def _run(self, environ: dict[str, Any], start_response: Start) -> tuple[list[bytes], str]:
        """Run one changing request to its end, with its own random source."""
        seen: list[str] = []

        def started(status: str, *rest: Any) -> Any:
            seen.append(status)
            return start_response(status, *rest)

        self._random.seed(f"{self._salt}:{len(self._events)}")
        response = list(self._app(environ, started))
        return response, seen[-1]

    def _note(self, name: str, body: bytes) -> None:
        named = operations.instances(body) if name.endswith("Instances") else []
        self._events.append({"operation": name, "instances": named})

    def _answer_events(self, environ: dict[str, Any], start_response: Start) -> list[bytes]:
        """Return the changes since a given number; the host loop polls this."""
        after = int(str(environ.get("QUERY_STRING", "")).removeprefix("after=") or 0)
        answer = {
            "salt": self._salt[:8],
            "count": len(self._events),
            "events": [event for event in self._events[after:] if event["instances"]],
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]


def take_body(environ: dict[str, Any]) -> bytes:
    """Read the request's body and put it back for the next reader."""
    source = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body = bytes(source.read(int(length)))
    elif environ.get("wsgi.input_terminated"):
        body = bytes(source.read())
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
    else:
        body = b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body
