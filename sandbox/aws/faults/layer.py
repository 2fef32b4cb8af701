"""Applies the active faults to requests to the AWS APIs."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode

from sandbox.aws.faults.call import read
from sandbox.aws.faults.fault import Fault
from sandbox.aws.faults.kinds import KINDS
from sandbox.aws.recorder import App, Start, take_body

PATH = "/sandbox/faults"
Answered = tuple[str, list[tuple[str, str]], bytes]
PLAN = "GetAccountPlanState"


class Faults:
    """A WSGI application around the recorder; requests refused here are not recorded."""

    def __init__(self, app: App) -> None:
        """Start without faults."""
        self._app = app
        self._lock = threading.RLock()
        self._on: dict[str, Fault] = {}

    def switch(self, name: str, on: bool, number: int | None = None) -> None:
        """Switch a fault on (resetting it if it was on) or off."""
        with self._lock:
            self._on.pop(name, None)
            if on:
                self._on[name] = KINDS[name](number)

    def listed(self) -> dict[str, int | None]:
        """Return every fault, with its number if it is on."""
        return {name: self._on[name].value if name in self._on else None for name in KINDS}

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") == PATH:
            return self._manage(environ, start_response)
        body = take_body(environ)
        call = read(environ, body)
        if call.operation == PLAN:
            return self._plan(start_response)
        if not self._on:
            return self._app(environ, start_response)
        # One request at a time, because faults count the requests they have seen.
        with self._lock:
            faults = list(self._on.values())
            for fault in faults:
                if refusal := fault.refuse(call):
                    refused, headers, answer = refusal.answer(call.protocol, environ["REQUEST_METHOD"])
                    start_response(refused, headers)
                    return [answer]
            for fault in faults:
                if more := fault.ask(call):
                    body += b"&" + urlencode(more).encode()
            status, headers, answer = self._pass(environ, body)
            if status.startswith("2"):
                for fault in faults:
                    answer = fault.answer(
                        call, answer, lambda operation, fields: self._ask(environ, operation, fields)
                    )
        start_response(status, [*headers, ("Content-Length", str(len(answer)))])
        return [answer]

    def _pass(self, environ: dict[str, Any], body: bytes) -> Answered:
        """Pass a request on to the AWS behind the faults."""
        seen: list[Any] = []
        inner = environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer = b"".join(self._app(inner, lambda status, headers, *_: seen.extend((status, headers))))
        headers = [one for one in seen[1] if one[0].lower() != "content-length"]
        return seen[0], headers, answer

    def _ask(self, environ: dict[str, Any], operation: str, fields: dict[str, str]) -> bytes:
        """Send one more request to the same service, on behalf of the caller."""
        body = urlencode({"Action": operation, "Version": "2016-11-15", **fields}).encode()
        return self._pass(environ, body)[2]

    def _plan(self, start_response: Start) -> list[bytes]:
        """Answer with the account's plan; moto does not have this operation."""
        kind = "FREE" if "free-plan" in self._on else "PAID"
        return _json(start_response, {"accountPlanType": kind, "accountPlanStatus": "ACTIVE"})

    def _manage(self, environ: dict[str, Any], start_response: Start) -> list[bytes]:
        """Switch a fault on PUT (?name=NAME&state=on&number=5); every answer lists all faults."""
        if environ["REQUEST_METHOD"] == "PUT":
            asked = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
            if asked.get("name") not in KINDS:
                return _json(
                    start_response, {"unknown": asked.get("name"), "faults": self.listed()}, "404 Not Found"
                )
            number = int(asked["number"]) if "number" in asked else None
            self.switch(asked["name"], asked.get("state") == "on", number)
        return _json(start_response, {"faults": self.listed()})


def _json(start_response: Start, content: dict[str, Any], status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(content).encode()]
