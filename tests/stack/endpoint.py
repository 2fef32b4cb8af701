"""Client of the deployed stack, through its public endpoint."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).parents[2]
READY_SECONDS = 300.0
POLL_SECONDS = 0.5
Json = dict[str, Any]


def asking(question: str) -> Json:
    """A question that is answered again, whatever was answered before."""
    return {"question": question, "fresh": True}


def value(name: str) -> str:
    """A value of the deployment: from RAGDOCK_<NAME>, else asked of the sandbox."""
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
    """Where the stack is and how to get in."""

    url: str
    token: str = field(repr=False)
    ca: str = field(repr=False)

    def trust(self) -> ssl.SSLContext:
        """Trust the deployment's own authority, or the world's."""
        return ssl.create_default_context(cadata=self.ca) if self.ca else ssl.create_default_context()

    def client(self, *, token: str | None = None, seconds: float = 180.0) -> httpx.Client:
        """An HTTP client; `token` replaces the right one ("" sends none)."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        # trust_env: a proxy of this machine has no business between a test and its stack.
        return httpx.Client(
            base_url=self.url, headers=headers, verify=self.trust(), timeout=seconds, trust_env=False
        )


class ApiClient:
    """The JSON API, in a test's own words."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.http = endpoint.client()

    def upload(self, name: str, content: bytes) -> httpx.Response:
        """Bring a file."""
        return self.http.post("/api/documents", files={"file": (name, content)})

    def brought(self, name: str, content: bytes) -> str:
        """Bring a file that must be accepted; its id."""
        reply = self.upload(name, content)
        assert reply.status_code == httpx.codes.ACCEPTED, reply.text
        return str(reply.json()["id"])

    def document(self, identity: str) -> Json:
        """One document."""
        reply = self.http.get(f"/api/documents/{identity}")
        reply.raise_for_status()
        found: Json = reply.json()
        return found

    def settled(self, identity: str, seconds: float = READY_SECONDS) -> Json:
        """The document once it is ready or failed."""
        return self.until(identity, lambda one: one["state"] in ("ready", "failed"), seconds)

    def ready(self, identity: str, seconds: float = READY_SECONDS) -> Json:
        """The document, which must become ready."""
        found = self.settled(identity, seconds)
        assert found["state"] == "ready", found
        return found

    def until(self, identity: str, good: Callable[[Json], bool], seconds: float) -> Json:
        """The document once it is as wanted."""
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
        """Passages; MORE goes into the request."""
        reply = self.http.post("/api/search", json={"query": query, "top_k": top_k, **more})
        reply.raise_for_status()
        found: list[Json] = reply.json()["results"]
        return found

    def ask(self, question: str) -> Json:
        """An answer."""
        reply = self.http.post("/api/ask", json=asking(question))
        assert reply.status_code == httpx.codes.OK, reply.text
        found: Json = reply.json()
        return found

    def stream(self, question: str, **more: Any) -> Iterator[tuple[str, Json]]:
        """The events of a streamed answer; MORE goes into the request."""
        body, headers = asking(question) | more, {"Accept": "text/event-stream"}
        with self.http.stream("POST", "/api/ask", json=body, headers=headers) as reply:
            assert reply.status_code == httpx.codes.OK, reply.read()
            event = ""
            for line in reply.iter_lines():
                if line.startswith("event:"):
                    event = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    yield event, json.loads(line.removeprefix("data:"))

    def idle(self, seconds: float) -> None:
        """Wait until no question is answered and none waits."""
        end = time.monotonic() + seconds
        while (line := self.status()["questions_in_line"]) != 0:
            assert time.monotonic() < end, f"after {seconds:.0f} s {line} in line"
            time.sleep(POLL_SECONDS)

    def status(self) -> Json:
        """What the app says of itself."""
        reply = self.http.get("/api/status")
        reply.raise_for_status()
        found: Json = reply.json()
        return found
