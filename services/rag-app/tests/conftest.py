"""Fixtures without prerequisites: the real ledger in a temporary folder, no OpenSearch or Ollama.

What needs them is tested through the public endpoint (tests/stack, tests/browser).
"""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.app import create_app
from rag_app.backend import Backend
from rag_app.limits import BodyRate
from rag_app.sessions import LoginRateLimiter
from rag_app.settings import AppSettings
from web_core.logs import AccessLog

PASSWORD = "correct-horse-battery-staple"
TOKEN = "token-for-programs-0123456789"


@pytest.fixture(scope="session")
def closed_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def make_settings(tmp_path: Path, closed_port: int) -> Callable[..., AppSettings]:
    """Settings with everything below a temporary folder."""

    return lambda **changed: _settings(tmp_path, closed_port, **changed)


@pytest.fixture(scope="session")
def settings_in(closed_port: int) -> Callable[..., AppSettings]:
    """Settings with everything below a given folder."""

    return lambda folder, **changed: _settings(folder, closed_port, **changed)


@pytest.fixture(scope="session")
def whole_app(tmp_path_factory: pytest.TempPathFactory, closed_port: int) -> FastAPI:
    """The app with its pages; built once, because Gradio's pages take a second of a core."""
    return build(_settings(tmp_path_factory.mktemp("app"), closed_port))


@pytest.fixture
def app(whole_app: FastAPI, make_settings: Callable[..., AppSettings]) -> FastAPI:
    """The app with a new ledger and an empty login rate limiter."""
    settings = make_settings()
    settings.incoming_dir.mkdir(parents=True)
    whole_app.state.backend = Backend.of(settings)
    whole_app.state.login_rate_limiter = LoginRateLimiter()
    return whole_app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A client behind the edge, without token or session."""
    return visitor(app)


@pytest.fixture
def api(app: FastAPI) -> TestClient:
    """A client that sends the API token."""
    program = visitor(app)
    program.headers["Authorization"] = f"Bearer {TOKEN}"
    return program


@dataclass(frozen=True)
class Live:
    """The app behind a real socket."""

    url: str
    folder: Path

    @contextmanager
    def person(self) -> Iterator[httpx.Client]:
        """A browser signed in through the login form."""
        with httpx.Client(base_url=self.url, timeout=30) as browser:
            form = browser.get("/login")
            token = re.search(r'name="token" value="([^"]+)"', form.text)
            assert token
            # httpx drops secure cookies received over plain HTTP, so pass it on explicitly.
            signed = browser.post(
                "/login",
                data={"user": "ragdock", "password": PASSWORD, "token": token[1]},
                headers={"Cookie": form.headers["set-cookie"].split(";")[0]},
            )
            assert signed.status_code == 303, signed.text
            browser.headers["Cookie"] = signed.headers.get_list("set-cookie")[0].split(";")[0]
            yield browser


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, closed_port: int) -> Iterator[Live]:
    """The app with its pages, served to real HTTP clients."""
    folder = tmp_path_factory.mktemp("live")
    app = build(_settings(folder, closed_port))
    # The access log writes from another thread, even between tests.
    app.user_middleware = [one for one in app.user_middleware if one.cls is not AccessLog]  # type: ignore[comparison-overlap]
    # asyncio disables Nagle's algorithm only on sockets with an explicit protocol.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert httpx.get(f"{url}/api/health", timeout=30).json() == {"status": "ok"}
        yield Live(url, folder)
        server.should_exit = True
        serving.join()


def _settings(folder: Path, closed_port: int, **changed: object) -> AppSettings:
    given: dict[str, object] = {
        "opensearch_host": f"http://127.0.0.1:{closed_port}",
        "ollama_base_url": f"http://127.0.0.1:{closed_port}",
        "ingestion_input_dir": folder / "raw",
        "ledger_path": folder / "ledger" / "ledger.sqlite3",
        "release_file": folder / "release.json",
        "upload_max_mib": 1,
        "app_password": PASSWORD,
        "api_token": TOKEN,
        "session_key": "key-that-signs-sessions-0123456789",
        "edge_host": "localhost",
        **changed,
    }
    return AppSettings.model_validate(given)


def build(settings: AppSettings, pace: BodyRate | None = None) -> FastAPI:
    """Build the app inside a running loop: otherwise Gradio opens its own loops and never closes them."""

    async def inside() -> FastAPI:
        return create_app(settings, pace)

    return asyncio.run(inside())


def visitor(app: FastAPI, peer: str = "127.0.0.1", address: str = "203.0.113.7") -> TestClient:
    """A client behind the edge (`peer` resolves from the edge's name)."""
    client = TestClient(
        app,
        base_url="https://testserver",
        client=(peer, 4242),
        follow_redirects=False,
        raise_server_exceptions=False,
    )
    client.headers["X-Forwarded-For"] = address
    return client
