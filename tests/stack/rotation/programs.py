"""Programs and people who work while secrets are rotated."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from tests.stack.endpoint import Endpoint, value

PLAYBOOK = "playbooks/rotate.yml"
PER_SECOND = 2.0
# How often the token is read from the store. After the promotion of a new token a release starts, which takes
# longer, before the old token is refused.
READ_SECONDS = 2.0
FORM_FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


class Programs:
    """Two requests a second by a program that reads its token from the store every two seconds."""

    def __init__(self, endpoint: Endpoint) -> None:
        # Read the token again: the session's endpoint may have one from before an earlier rotation.
        self._endpoint = dataclasses.replace(endpoint, token=value("token"))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._work)]
        self.good = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._stop.wait(READ_SECONDS):
            self._endpoint = dataclasses.replace(self._endpoint, token=value("token"))

    def _work(self) -> None:
        # /api/documents reads the ledger, /api/status queries OpenSearch as the app's user.
        asked = 0
        while not self._stop.wait(1 / PER_SECOND):
            asked += 1
            try:
                with self._endpoint.client(seconds=60) as http:
                    reply = http.get("/api/documents") if asked % 2 else http.get("/api/status")
                if reply.status_code == HTTPStatus.OK:
                    self.good += 1
                else:
                    self.failed.append(f"{time.strftime('%X')} {reply.status_code} {reply.text[:150]}")
            except httpx.HTTPError as error:
                self.failed.append(f"{time.strftime('%X')} {type(error).__name__} {error}")


def taken(endpoint: Endpoint, token: str) -> int:
    """Return the HTTP status of a request with this token."""
    with endpoint.client(token=token, seconds=30) as http:
        return http.get("/api/documents").status_code


def signs_in(endpoint: Endpoint, password: str) -> bool:
    """Return whether a person can sign in with a password."""
    with endpoint.client(token="", seconds=30) as http:
        form = dict(FORM_FIELD.findall(http.get("/login").text))
        reply = http.post("/login", data=form | {"user": "ragdock", "password": password})
    return reply.status_code == HTTPStatus.SEE_OTHER
