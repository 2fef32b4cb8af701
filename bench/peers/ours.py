"""The deployed stack, through its public endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measuring.containers import Usage, told
from bench.measuring.plain import Given
from bench.peers.system import Event
from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.host import Host

MB = 1e6
PASSAGES = 50
# It serves both systems.
SHARED = "ollama"


class Ragdock:
    """What stands in the sandbox."""

    def __init__(self, api: ApiClient, host: Host) -> None:
        self._api = api
        self._host = host
        self._brought: list[str] = []

    def fill(self, files: Sequence[Path]) -> float:
        """Seconds until all of them are ready."""
        began = time.monotonic()
        waiting = {self._api.brought(path.name, path.read_bytes()) for path in files}
        self._brought += waiting
        while waiting:
            time.sleep(0.5)
            reply = self._api.http.get("/api/documents", params={"limit": 10_000})
            reply.raise_for_status()
            for one in reply.json()["documents"]:
                if one["state"] == "failed":
                    raise SystemExit(f"{one['name']} cannot be read: {one['reason']}")
                if one["state"] == "ready":
                    waiting.discard(one["id"])
        return time.monotonic() - began

    def search(self, question: str) -> Given:
        """The passages that the API gives."""
        found = self._api.search(question, PASSAGES)
        return [(one["document"], one["title"], one["passage"]) for one in found]

    def ask(self, question: str) -> Iterator[Event]:
        """Quotes are lines of documents."""
        for event, data in self._api.stream(question):
            if event == "retrieved" and data["quotes"]:
                yield "line"
            elif event == "token":
                yield "word"
            elif event == "error":
                raise SystemExit(f"an answer ended in an error: {data}")

    def memory(self) -> Usage:
        """Each container, but for Ollama's."""
        return {name: used for name, used in told(self._host.run).items() if name != SHARED}

    def installed(self) -> float:
        """The images; layers that several share are counted for each."""
        images = {
            one["Image"]
            for one in self._host.inspect()
            if one["Config"]["Labels"]["com.docker.compose.service"] != SHARED
        }
        sizes = self._host.run("docker", "image", "inspect", "--format", "{{.Size}}", *images)
        return sum(map(float, sizes.split())) / MB

    def clear(self) -> None:
        """Take the documents away again."""
        for identity in self._brought:
            self._api.delete(identity)


@contextmanager
def deployed(host: Host) -> Iterator[Ragdock]:
    """The stack without a document, and without one again afterwards."""
    api = ApiClient(Endpoint(value("url").rstrip("/"), value("token"), value("ca")))
    counts = api.status()["documents"]
    if any(counts.values()):
        raise SystemExit(f"the stack holds documents, which would be found too: {counts}")
    system = Ragdock(api, host)
    try:
        yield system
    finally:
        system.clear()
        api.http.close()
