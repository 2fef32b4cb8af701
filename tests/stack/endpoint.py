"""Client of the deployed stack, through its public endpoint."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).parents[2]
READY_SECONDS = 300.0
POLL_SECONDS = 0.5
Json = dict[str, Any]


def asking(question: str) -> Json:
    """Return a request body that asks for a new answer instead of a cached one."""
    return {"question": question, "fresh": True}


def events(lines: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """Yield the events of a streamed answer, each with its name, as their lines arrive."""
    event = ""
    for line in lines:
        if line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield event, json.loads(line.removeprefix("data:"))


def value(name: str) -> str:
    """Return a value of the deployment: RAGDOCK_<NAME> if it is set, else the sandbox's."""
    given = os.environ.get(f"RAGDOCK_{name.upper()}")
    if given:
        # A certificate may be given as a file.
        return Path(given).read_text() if name == "ca" and not given.startswith("-----BEGIN") else given
    shown = subprocess.run(
        [sys.executable, "-m", "sandbox", "show", name],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, (
        f"RAGDOCK_{name.upper()} is not set and the sandbox does not say: {shown.stderr.strip()}\n"
        "Run `make up` first, or set RAGDOCK_URL, RAGDOCK_TOKEN, RAGDOCK_PASSWORD and RAGDOCK_CA."
    )
    return shown.stdout.strip()


@dataclass(frozen=True)
class Endpoint:
    """The stack's URL, its API token and its CA certificate (empty for a public CA)."""

    url: str
    token: str = field(repr=False)
    ca: str = field(repr=False)

    def trust(self) -> ssl.SSLContext:
        """Trust the deployment's own CA if it has one, else the public CAs."""
        return ssl.create_default_context(cadata=self.ca) if self.ca else ssl.create_default_context()

    def client(self, *, token: str | None = None, seconds: float = 180.0) -> httpx.Client:
        """Return an HTTP client; `token` replaces the valid one ("" sends none)."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        # trust_env: requests must not go through a proxy that is configured on this machine.
        return httpx.Client(
            base_url=self.url, headers=headers, verify=self.trust(), timeout=seconds, trust_env=False
        )


class ApiClient:
    """A client of the JSON API with the operations that tests need."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.http = endpoint.client()

    def upload(self, name: str, content: bytes) -> httpx.Response:
        """Upload a file."""
        return self.http.post("/api/documents", files={"file": (name, content)})

    def brought(self, name: str, content: bytes) -> str:
        """Upload a file that must be accepted, and return its id."""
        reply = self.upload(name, content)
        assert reply.status_code == httpx.codes.ACCEPTED, reply.text
        return str(reply.json()["id"])

    def document(self, identity: str) -> Json:
        """Return one document."""
        reply = self.http.get(f"/api/documents/{identity}")
        reply.raise_for_status()
        found: Json = reply.json()
        return found

    def settled(self, identity: str, seconds: float = READY_SECONDS) -> Json:
        """Wait until the document is ready or failed, and return it."""
        return self.until(identity, lambda one: one["state"] in ("ready", "failed"), seconds)

    def ready(self, identity: str, seconds: float = READY_SECONDS) -> Json:
        """Wait until the document is ready, and return it; fail if it cannot be read."""
        found = self.settled(identity, seconds)
        assert found["state"] == "ready", found
        return found

    def until(self, identity: str, good: Callable[[Json], bool], seconds: float) -> Json:
        """Wait until the document meets a condition, and return it."""
        end = time.monotonic() + seconds
        while True:
            found = self.document(identity)
            if good(found):
                return found
            assert time.monotonic() < end, f"after {seconds:.0f} s: {found}"
            time.sleep(POLL_SECONDS)

    def delete(self, identity: str) -> None:
        """Remove a document."""
        reply = self.http.delete(f"/api/documents/{identity}")
        assert reply.status_code in (httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND), reply.text

    def search(self, query: str, top_k: int = 5, **more: Any) -> list[Json]:
        """Search for passages; `more` is added to the request."""
        reply = self.http.post("/api/search", json={"query": query, "top_k": top_k, **more})
        reply.raise_for_status()
        found: list[Json] = reply.json()["results"]
        return found

    def ask(self, question: str) -> Json:
        """Ask a question and return the answer."""
        reply = self.http.post("/api/ask", json=asking(question))
        assert reply.status_code == httpx.codes.OK, reply.text
        found: Json = reply.json()
        return found

    def stream(self, question: str, **more: Any) -> Iterator[tuple[str, Json]]:
        """Yield the events of a streamed answer; `more` is added to the request."""
        body, headers = asking(question) | more, {"Accept": "text/event-stream"}
        with self.http.stream("POST", "/api/ask", json=body, headers=headers) as reply:
            assert reply.status_code == httpx.codes.OK, reply.read()
            yield from events(reply.iter_lines())

    def idle(self, seconds: float) -> None:
        """Wait until no question is being answered or queued."""
        end = time.monotonic() + seconds
        while (line := self.status()["questions_in_line"]) != 0:
            assert time.monotonic() < end, f"after {seconds:.0f} s {line} in line"
            time.sleep(POLL_SECONDS)

    def status(self) -> Json:
        """Return the status that the app reports."""
        reply = self.http.get("/api/status")
        reply.raise_for_status()
        found: Json = reply.json()
        return found
