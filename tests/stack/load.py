"""Load on the public endpoint: requests at a steady rate, and one streamed answer after the other."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from tests.stack.endpoint import ApiClient, Endpoint, asking

PER_SECOND = 5.0
# One answer takes all processors of a small host: more questions at once would only wait longer.
ASKING = 2
QUESTION = "Who built the lighthouse?"


@dataclass
class Tally:
    """The results of the requests."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The number of requests that ended."""
        return sum(self.answered.values()) + len(self.failed)


class Load:
    """Five requests a second: a question whenever fewer than two are waiting for an answer, else a page."""

    def __init__(self, endpoint: Endpoint, per_second: float = PER_SECOND) -> None:
        self._endpoint = endpoint
        self._pause = 1 / per_second
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._asking = 0
        self._threads: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._tick, name="load")
        self.tally = Tally()

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._clock.join()
        for thread in self._threads:
            thread.join()

    def _tick(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            with self._lock:
                ask = self._asking < ASKING
                self._asking += ask
            thread = threading.Thread(target=self._one, args=("ask" if ask else "landing",))
            self._threads.append(thread)
            thread.start()

    @staticmethod
    def _asked(http: httpx.Client) -> httpx.Response:
        return http.post("/api/ask", json=asking(QUESTION))

    def _one(self, what: str) -> None:
        began = time.monotonic()
        message = ""
        try:
            # A new connection each time, as from new visitors: this tests the edge's own retries.
            with self._endpoint.client() as http:
                reply = self._asked(http) if what == "ask" else http.get("/")
            if reply.status_code != HTTPStatus.OK:
                message = f"{what}: {reply.status_code} {reply.text[:200]}"
        except httpx.HTTPError as error:
            message = f"{what}: {type(error).__name__} {error}"
        seconds = time.monotonic() - began
        with self._lock:
            self._asking -= what == "ask"
            if message:
                self.tally.failed.append(f"after {seconds:.1f} s {message}")
            else:
                self.tally.answered[what] += 1
                self.tally.slowest[what] = max(self.tally.slowest.get(what, 0.0), seconds)


class Streams:
    """Streamed answers, one after the other, for the whole of a deployment; each must be complete."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._api = ApiClient(endpoint)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams")
        self.whole = 0
        self.cut: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._api.http.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            seen = "nothing"
            try:
                for event, _ in self._api.stream(QUESTION):
                    seen = event
                if seen == "done":
                    self.whole += 1
                else:
                    self.cut.append(f"ended after the event '{seen}'")
            except (httpx.HTTPError, AssertionError) as error:
                self.cut.append(f"after the event '{seen}': {type(error).__name__} {error}")
