"""The real server in its own process: it starts, and it stops without waiting for idle tabs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import PASSWORD, TOKEN

_START_SECONDS = 180
"""Importing Gradio takes 4 s of a core, and the machine may be busy."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`python -m rag_app` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{key: value for key, value in os.environ.items() if key in {"PATH", "HOME"}},
        "PYTHONPATH": os.pathsep.join(sys.path),
        "GRADIO_SERVER_PORT": str(port),
        "OPENSEARCH_HOST": "http://127.0.0.1:9",
        "OLLAMA_BASE_URL": "http://127.0.0.1:9",
        "INGESTION_INPUT_DIR": str(tmp_path / "raw"),
        "LEDGER_PATH": str(tmp_path / "ledger.sqlite3"),
        "APP_PASSWORD": PASSWORD,
        "API_TOKEN": TOKEN,
        "SESSION_KEY": "key-that-signs-sessions-0123456789",
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "rag_app"], env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                assert httpx.get(f"{url}/api/health", timeout=5).json() == {"status": "ok"}
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_open_tab_does_not_delay_the_end(server: tuple[subprocess.Popen[bytes], str]) -> None:
    """Each open page keeps a heartbeat stream; a redeploy must not wait for users to close it."""
    process, url = server
    with httpx.Client(base_url=url, timeout=30) as browser:
        page = browser.get("/login")
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token
        # httpx drops secure cookies received over plain HTTP, so pass them on explicitly.
        form_cookie = page.headers["set-cookie"].split(";")[0]
        answer = browser.post(
            "/login",
            data={"user": "ragdock", "password": PASSWORD, "token": token[1]},
            headers={"Cookie": form_cookie},
        )
        assert answer.status_code == 303
        session = answer.headers.get_list("set-cookie")[0].split(";")[0]
        with browser.stream("GET", "/app/gradio_api/heartbeat/abc", headers={"Cookie": session}) as heartbeat:
            assert next(heartbeat.iter_text()).startswith("data: ALIVE")
            process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            process.wait(timeout=60)
            assert time.monotonic() - asked < 20
