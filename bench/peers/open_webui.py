"""Open WebUI from PyPI, installed and queried as its documentation describes.

Differences from its defaults, and why: embeddings by the same Ollama and model as ours (by default it uses a
model hub), in batches like ours (its default is one text per request); no feature that needs the internet.
Hybrid search is off, which is the default.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.measuring import ROOT
from bench.measuring.containers import MIB, Usage, proportional
from bench.measuring.plain import Given
from bench.measuring.stores import free_port
from bench.peers.system import Event
from bench.reading.files import UV
from services.conftest import CHAT_MODEL, EMBED_MODEL

LOCK = Path(__file__).with_name("requirements.txt")
HOME = ROOT / ".sandbox" / "peers" / "open-webui"
MB = 1e6
PASSAGES = 50
BATCH = 32
START_SECONDS = 600.0
LONGEST_SECONDS = 3600.0
# Limit answers, because each is read to its end so that the next question does not wait for it.
ANSWER_TOKENS = 100


def environment() -> Path:
    """Create its own Python environment with exactly the locked packages."""
    python = HOME / "bin" / "python"
    if not python.is_file():
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, HOME], check=True)
    subprocess.run([UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, LOCK], check=True)
    return python


def settings(home: Path, ollama: str) -> dict[str, str]:
    """Return the complete environment variables of its server."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "DATA_DIR": str(home / "data"),
        "WEBUI_SECRET_KEY": secrets.token_urlsafe(32),
        "OLLAMA_BASE_URL": ollama,
        "RAG_OLLAMA_BASE_URL": ollama,
        "RAG_EMBEDDING_ENGINE": "ollama",
        "RAG_EMBEDDING_MODEL": EMBED_MODEL,
        "RAG_EMBEDDING_BATCH_SIZE": str(BATCH),
        "ENABLE_OPENAI_API": "false",
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ENABLE_VERSION_UPDATE_CHECK": "false",
        "ANONYMIZED_TELEMETRY": "false",
        "DO_NOT_TRACK": "true",
        "SCARF_NO_ANALYTICS": "true",
    }


class OpenWebUI:
    """A server with one user and one knowledge base."""

    def __init__(self, http: httpx.Client, pid: int) -> None:
        self._http = http
        self._pid = pid
        person = {"name": "Bench", "email": "bench@example.org", "password": secrets.token_urlsafe(16)}
        token = self._post("/api/v1/auths/signup", person)["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        # This request makes it read the list of models from Ollama.
        http.get("/api/models").raise_for_status()
        made = {"name": "Documents", "description": "What the questions are about"}
        self._knowledge = str(self._post("/api/v1/knowledge/create", made)["id"])
        self.refused: dict[str, str] = {}

    def fill(self, files: Sequence[Path]) -> float:
        """Add the files, one upload per processor at a time; return the seconds until all are indexed."""
        began = time.monotonic()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._bring, files))
        return time.monotonic() - began

    def _bring(self, path: Path) -> None:
        with path.open("rb") as file:
            reply = self._http.post(
                "/api/v1/files/",
                params={"process": "true", "process_in_background": "false"},
                files={"file": (path.name, file)},
            )
        reply.raise_for_status()
        identity = reply.json()["id"]
        found = self._http.get(f"/api/v1/files/{identity}").raise_for_status().json()["data"]
        if found["status"] != "completed":
            self.refused[path.name] = str(found.get("error"))
            return
        added = self._http.post(f"/api/v1/knowledge/{self._knowledge}/file/add", json={"file_id": identity})
        if added.is_error:
            self.refused[path.name] = added.text

    def search(self, question: str) -> Given:
        """Return the passages from the API."""
        asked = {"collection_names": [self._knowledge], "query": question, "k": PASSAGES}
        found = self._post("/api/v1/retrieval/query/collection", asked)
        return [
            (str(about["name"]), "", text)
            for text, about in zip(found["documents"][0], found["metadatas"][0], strict=True)
        ]

    def ask(self, question: str) -> Iterator[Event]:
        """Yield the events of a streamed answer; sources count as lines of documents."""
        body = {
            "model": CHAT_MODEL,
            "messages": [{"role": "user", "content": question}],
            "files": [{"type": "collection", "id": self._knowledge}],
            "max_tokens": ANSWER_TOKENS,
            "stream": True,
        }
        with self._http.stream("POST", "/api/chat/completions", json=body) as reply:
            if reply.is_error:
                raise SystemExit(f"Open WebUI answers {reply.status_code}: {reply.read().decode()}")
            for line in reply.iter_lines():
                data = line.removeprefix("data:").strip()
                if line.startswith("data:") and data != "[DONE]":
                    yield from events(json.loads(data))

    def generate_queries(self, wanted: bool) -> None:
        """Switch the generation of search queries by the model on or off (on by default)."""
        now = self._http.get("/api/v1/tasks/config").raise_for_status().json()
        self._post("/api/v1/tasks/config/update", now | {"ENABLE_RETRIEVAL_QUERY_GENERATION": wanted})

    def memory(self) -> Usage:
        """Return the memory of the server and its child processes; its limit is the machine's memory."""
        return {"open-webui": (proportional(self._pid), psutil.virtual_memory().total / MIB)}

    def installed(self) -> float:
        """Return the size of the environment's packages in MB."""
        return sum(size(path) for path in packages().iterdir())

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self._http.post(path, json=body)
        if reply.is_error:
            raise SystemExit(f"Open WebUI answers {path} with {reply.status_code}: {reply.text}")
        found: dict[str, Any] = reply.json()
        return found


def events(data: dict[str, Any]) -> Iterator[Event]:
    """Yield what one message of the stream shows to the user."""
    if "error" in data:
        raise SystemExit(f"an answer of Open WebUI ended in an error: {data}")
    if data.get("sources"):
        yield "line"
    for choice in data.get("choices", ()):
        if choice.get("delta", {}).get("content"):
            yield "word"


def packages() -> Path:
    """Return the site-packages folder of its environment."""
    return next(HOME.glob("lib/python*/site-packages"))


def size(path: Path) -> float:
    """Return the size of a file or folder in MB."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / MB


def accelerators() -> float:
    """Return the MB of the installation that only GPUs use, which PyPI's torch always installs."""
    return sum(size(path) for name in ("nvidia", "triton") for path in packages().glob(name))


@contextmanager
def served(ollama: str) -> Iterator[OpenWebUI]:
    """Run a server on the loopback interface with its own data, which are deleted afterwards."""
    python = environment()
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [python.with_name("open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)],
                env=settings(home, ollama),
                cwd=home,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=LONGEST_SECONDS, trust_env=False
            ) as http:
                _wait(http, process, home / "log")
                yield OpenWebUI(http, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if http.get("/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    raise SystemExit(f"Open WebUI does not answer; its log ends:\n{log.read_text(errors='replace')[-3000:]}")
