"""The deployed stack, through its public endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measuring.containers import Usage, read_usage
from bench.measuring.plain import Given
from bench.peers.system import Event
from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.host import Host

MB = 1e6
PASSAGES = 50
# Not counted, because it serves both systems.
SHARED = "ollama"


class Ragdock:
    """The stack that is deployed in the sandbox."""

    def __init__(self, api: ApiClient, host: Host) -> None:
        self._api = api
        self._host = host
        self._there = {one["id"] for one in self._documents()}
        self._brought: list[str] = []

    def fill(self, files: Sequence[Path]) -> float:
        """Upload the files; return the seconds until all are ready."""
        began = time.monotonic()
        waiting = {self._api.brought(path.name, path.read_bytes()) for path in files}
        if waiting & self._there:
            raise SystemExit("the stack holds some of these documents already; take them away first")
        self._brought += waiting
        while waiting:
            time.sleep(0.5)
            for one in self._documents():
                if one["state"] == "failed":
                    raise SystemExit(f"{one['name']} cannot be read: {one['reason']}")
                if one["state"] == "ready":
                    waiting.discard(one["id"])
        return time.monotonic() - began

    def search(self, question: str) -> Given:
        """Return the passages from these documents that the API finds."""
        found = self._api.search(question, PASSAGES, filters=self._filters)
        return [(one["document"], one["title"], one["passage"]) for one in found]

    def ask(self, question: str) -> Iterator[Event]:
        """Yield the events of a streamed answer; quotes count as lines of documents."""
        for event, data in self._api.stream(question, filters=self._filters):
            if event == "retrieved" and data["quotes"]:
                yield "line"
            elif event == "token":
                yield "word"
            elif event == "error":
                raise SystemExit(f"an answer ended in an error: {data}")

    def memory(self) -> Usage:
        """Return the memory of each container except Ollama's."""
        return {name: used for name, used in read_usage(self._host.run).items() if name != SHARED}

    def installed(self) -> float:
        """Return the size of the images; shared layers are counted for each image."""
        images = {
            one["Image"]
            for one in self._host.inspect()
            if one["Config"]["Labels"]["com.docker.compose.service"] != SHARED
        }
        sizes = self._host.run("docker", "image", "inspect", "--format", "{{.Size}}", *images)
        return sum(map(float, sizes.split())) / MB

    @property
    def _filters(self) -> dict[str, list[str]]:
        """Restrict searches to the uploaded documents, like a knowledge base of Open WebUI."""
        return {"documents": self._brought}

    def _documents(self) -> list[dict[str, Any]]:
        reply = self._api.http.get("/api/documents", params={"limit": 10_000})
        reply.raise_for_status()
        found: list[dict[str, Any]] = reply.json()["documents"]
        return found

    def clear(self) -> None:
        """Delete the uploaded documents."""
        for identity in self._brought:
            self._api.delete(identity)


@contextmanager
def deployed(host: Host) -> Iterator[Ragdock]:
    """Yield the stack; delete the uploaded documents afterwards."""
    api = ApiClient(Endpoint(value("url").rstrip("/"), value("token"), value("ca")))
    system = Ragdock(api, host)
    try:
        yield system
    finally:
        system.clear()
        api.http.close()
