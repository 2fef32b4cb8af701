"""Assumes nothing: the real ledger in a temporary folder; OpenSearch and Ollama are out of reach.

What needs them is tested through the public door (tests/stack, tests/browser).
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.app import create_app
from rag_app.backend import Backend
from rag_app.sessions import LoginBrake
from rag_app.settings import AppSettings

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
    """The app, pages included; made once, because Gradio's pages take a second of a core."""
    return build(_settings(tmp_path_factory.mktemp("app"), closed_port))


@pytest.fixture
def app(whole_app: FastAPI, make_settings: Callable[..., AppSettings]) -> FastAPI:
    """The app with a new ledger and nobody slowed down."""
    settings = make_settings()
    settings.incoming_dir.mkdir(parents=True)
    whole_app.state.backend = Backend.of(settings)
    whole_app.state.login_brake = LoginBrake()
    return whole_app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """Someone on the other side of the edge, without token or session."""
    return visitor(app)


@pytest.fixture
def api(app: FastAPI) -> TestClient:
    """A program that has the token."""
    program = visitor(app)
    program.headers["Authorization"] = f"Bearer {TOKEN}"
    return program


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


def build(settings: AppSettings) -> FastAPI:
    """The app, made while a loop runs: else Gradio opens loops of its own and never closes them."""

    async def inside() -> FastAPI:
        return create_app(settings)

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
