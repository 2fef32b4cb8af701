"""Bodies over real connections: senders are authenticated first, bad bodies leave nothing behind."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from rag_app.backend import Backend
from rag_app.limits import BodyRate
from rag_app.settings import AppSettings

from .conftest import TOKEN, build

GRACE = 0.6
BEARER = f"Authorization: Bearer {TOKEN}\r\n"
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
END = b"\r\n--b--\r\n"
_WAIT_SECONDS = 15


@dataclass
class Server:
    """The app behind a real uvicorn."""

    app: FastAPI
    port: int

    @property
    def raw(self) -> Path:
        settings: AppSettings = self.app.state.backend.settings
        return settings.ingestion_input_dir

    def files(self) -> list[str]:
        return sorted(str(one.relative_to(self.raw)) for one in self.raw.rglob("*") if one.is_file())

    def use(self, settings: AppSettings) -> None:
        settings.incoming_dir.mkdir(parents=True)
        self.app.state.backend = Backend.of(settings)

    @contextlib.contextmanager
    def connection(self, sent: bytes) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=_WAIT_SECONDS) as one:
            one.sendall(sent)
            yield one

    def upload(self, body: bytes, kind: str = "multipart/form-data; boundary=b") -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        url = f"http://127.0.0.1:{self.port}/api/documents"
        return httpx.post(url, content=body, headers=headers, timeout=_WAIT_SECONDS)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, settings_in: Callable[..., AppSettings]
) -> Iterator[Server]:
    settings = settings_in(
        tmp_path_factory.mktemp("app"),
        upload_max_mib=100,
        upload_slots=2,
    )
    app = build(settings, BodyRate(grace=GRACE, least=200_000))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield Server(app, port)
        server.should_exit = True
        thread.join()


@pytest.fixture
def server(running: Server, make_settings: Callable[..., AppSettings]) -> Server:
    """The running server with a new ledger."""
    running.use(make_settings(upload_max_mib=8))
    return running


def request(path: str, head: str = "", *, method: str = "POST", length: int | None = 5_000_000) -> bytes:
    sized = "Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n"
    form = {"/login": "application/x-www-form-urlencoded"}.get(path, "multipart/form-data; boundary=b")
    kind = f"Content-Type: {form}\r\n" if path in {"/login", "/api/documents", "/api/documents/"} else ""
    return f"{method} {path} HTTP/1.1\r\nHost: testserver\r\n{head}{kind}{sized}\r\n".encode()


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], str]:
    """Read until the server closes; returns status, headers and error code."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, json.loads(body)["error"]["code"] if body else ""


def soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + _WAIT_SECONDS
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


ROUTES_WITH_BODIES = [
    ("POST", "/api/documents"),
    ("POST", "/api/documents/"),
    ("PUT", "/api/documents/x/tags"),
    ("POST", "/api/search"),
    ("POST", "/api/ask"),
    ("POST", "/api/conversations"),
    ("PUT", "/api/exchanges/x/feedback"),
    ("POST", "/api/nothing-here"),
    ("POST", "/app/gradio_api/run/predict"),
    ("POST", "/app/gradio_api/upload"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_BODIES)
@pytest.mark.parametrize("length", [500_000, None], ids=["sized", "chunked"])
def test_who_sends_is_asked_before_the_body_is_read(
    server: Server, method: str, path: str, length: int | None
) -> None:
    """The response arrives although the body never does, and the connection is closed."""
    first = b"-" if length else b"1\r\n-\r\n"
    with server.connection(request(path, method=method, length=length) + first) as connection:
        status, headers, code = answer_of(connection)
    assert (status, code) == (401, "not_logged_in")
    assert headers["connection"] == "close"
    assert server.files() == []


def test_every_route_of_the_document_asks_first(server: Server) -> None:
    """The list above misses no route that takes a body."""
    described = httpx.get(f"http://127.0.0.1:{server.port}/api/openapi.json", timeout=_WAIT_SECONDS).json()
    bodies = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    }
    tried = {(method, path.replace("/x/", "/{}/")) for method, path in ROUTES_WITH_BODIES}
    assert {(m, p.replace("{document_id}", "{}").replace("{exchange_id}", "{}")) for m, p in bodies} <= tried


def test_an_unknown_sender_is_not_read_on(server: Server) -> None:
    """Of an endless body, no more is accepted than what the kernel buffers."""
    with server.connection(request("/api/documents", length=8_000_000) + HEAD) as connection:
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(200):
                sent += connection.send(b"x" * 40_000)
                time.sleep(0.002)
        assert sent < 8_000_000
    assert server.files() == []


def test_a_login_form_is_small(server: Server) -> None:
    with server.connection(request("/login", length=17 * 1024)) as connection:
        assert answer_of(connection)[0] == 413


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/documents", HEAD + b"slow"), ("/api/search", b'{"query": "'), ("/login", b"user=")],
)
def test_a_body_that_stops_is_given_up(server: Server, path: str, body: bytes) -> None:
    with server.connection(request(path, BEARER, length=1000) + body) as connection:
        began = time.monotonic()
        status, headers, code = answer_of(connection)
        assert (status, code, headers["connection"]) == (408, "request_timeout", "close")
        assert GRACE * 0.8 < time.monotonic() - began < GRACE + 5
    assert server.files() == []


def test_a_body_that_drips_is_given_up(server: Server) -> None:
    """Each byte arrives in time, but the body would take hours."""
    with server.connection(request("/api/documents", BEARER) + HEAD) as connection:
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.1):
                    connection.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        status, _, code = answer_of(connection)
        ended.set()
        dripping.join()
    assert (status, code) == (408, "request_timeout")
    assert server.files() == []


def test_a_fast_body_may_take_longer_than_the_grace(server: Server) -> None:
    content = b"word " * 60_000
    body = HEAD + content + END
    with server.connection(request("/api/documents", BEARER, length=len(body))) as connection:
        for at in range(0, len(body), 20_000):
            connection.sendall(body[at : at + 20_000])
            time.sleep(0.08)
        assert b" 202 " in connection.recv(65536).split(b"\r\n")[0]
    [stored] = server.files()
    assert (server.raw / stored).read_bytes() == content


def test_a_sender_who_leaves_leaves_nothing(server: Server) -> None:
    with server.connection(request("/api/documents", BEARER) + HEAD + b"x" * 2_000_000):
        assert soon(lambda: any(name.endswith(".part") for name in server.files()))
    assert soon(lambda: server.files() == [])


def test_more_uploads_than_slots_are_refused_with_retry_after(server: Server) -> None:
    half = request("/api/documents", BEARER) + HEAD + b"x" * 100_000
    with server.connection(half), server.connection(half):
        assert soon(lambda: len(server.files()) == 2)
        with server.connection(half) as third:
            status, headers, code = answer_of(third)
        assert (status, code) == (503, "uploads_busy")
        assert int(headers["retry-after"]) > 0
    assert soon(lambda: server.files() == [])
    assert server.upload(HEAD + b"now there is room" + END).status_code == 202


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (HEAD + b"x", "multipart/form-data; boundary=b", 422, "closing boundary"),
        (HEAD + b"one" + END[:-4] + HEAD[3:] + b"two" + END, "multipart/form-data; boundary=b", 422, "part"),
        (
            HEAD + b"x" + END[:-4] + b"\r\n" + HEAD + b"y" + END,
            "multipart/form-data; boundary=b",
            422,
            "part",
        ),
        (HEAD.replace(b'"file"', b'"other"') + b"x" + END, "multipart/form-data; boundary=b", 422, "'file'"),
        (
            HEAD.replace(b'; filename="a.txt"', b"") + b"x" + END,
            "multipart/form-data; boundary=b",
            422,
            "filename",
        ),
        (HEAD.replace(b"a.txt", b"") + b"x" + END, "multipart/form-data; boundary=b", 422, "filename"),
        (
            HEAD.replace(b"Content-Disposition", b"X-Other") + b"x" + END,
            "multipart/form-data; boundary=b",
            422,
            "'f",
        ),
        (HEAD + b"x" + END, "multipart/form-data; boundary=other", 422, "cannot be read"),
        (HEAD + b"x" + END, "multipart/form-data", 422, "boundary"),
        (HEAD + b"x" + END, f"multipart/form-data; boundary={'b' * 71}", 422, "boundary"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 422, "part"),
        (b"", "multipart/form-data; boundary=b", 422, "closing boundary"),
        (b"file=x", "application/x-www-form-urlencoded", 415, "multipart/form-data"),
        (b'{"file": "x"}', "application/json", 415, "multipart/form-data"),
        (
            b"--b\r\n" + b"X-A: 1\r\n" * 5000 + b"\r\nx" + END,
            "multipart/form-data; boundary=b",
            422,
            "cannot be read",
        ),
        (
            b"--b\r\nX-A: " + b"1" * 300_000 + b"\r\n\r\nx" + END,
            "multipart/form-data; boundary=b",
            422,
            "cannot be",
        ),
        (
            b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n" * 5000 + END,
            "multipart/form-data; boundary=b",
            422,
            "",
        ),
    ],
)
def test_a_form_that_is_wrong_is_refused_and_nothing_of_it_stays(
    server: Server, body: bytes, kind: str, status: int, words: str
) -> None:
    reply = server.upload(body, kind)
    assert (reply.status_code, words in reply.json()["error"]["message"]) == (status, True), reply.text
    assert server.files() == []


def test_two_files_in_one_form_are_refused_with_the_rule(server: Server) -> None:
    files = [("file", ("a.txt", b"first")), ("file", ("b.txt", b"second"))]
    url, headers = f"http://127.0.0.1:{server.port}/api/documents", {"Authorization": f"Bearer {TOKEN}"}
    reply = httpx.post(url, files=files, headers=headers, timeout=_WAIT_SECONDS)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "several_parts")
    assert server.files() == []


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="../../x/../evil.txt"', "evil.txt"),
        ('filename="uploads/.part"', "part"),
        ('filename="a%00b\\"c.txt"', "a%00b c.txt"),
        ('filename="r\u00e9sum\u00e9.txt"', "r\u00e9sum\u00e9.txt"),
        ('filename="/proc/self/environ"', "environ"),
        ('filename="a.txt\u202egpj.exe.txt"', "a.txt gpj.exe.txt"),
    ],
)
def test_a_name_names_no_place(server: Server, disposition: str, name: str) -> None:
    head = HEAD.replace(b'filename="a.txt"', disposition.encode())
    reply = server.upload(head + b"harmless words" + END)
    assert reply.status_code == 202, reply.text
    [stored] = server.files()
    assert stored == f"uploads/{reply.json()['id']}/{name}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize(
    ("reserve", "chunked"),
    [(2, False), (2, True), (0, True)],
    ids=["declared", "met-while-writing", "no-reserve"],
)
def test_a_full_disk_loses_nothing(
    running: Server,
    small_disk: Path,
    settings_in: Callable[..., AppSettings],
    reserve: int,
    chunked: bool,
) -> None:
    running.use(settings_in(small_disk, upload_max_mib=100, upload_reserve_mib=reserve))
    kept = running.upload(HEAD + b"kept " * 200_000 + END).json()["id"]
    before = running.files()
    body = HEAD + b"y" * 9_000_000 + END
    reply = running.upload(iter([body]) if chunked else body)  # type: ignore[arg-type]
    assert (reply.status_code, reply.json()["error"]["code"]) == (507, "storage_full"), reply.text
    assert "disk" in reply.json()["error"]["message"]
    assert running.files() == before
    ledger = running.app.state.backend.ledger
    assert ledger.get(kept).name == "a.txt"
    assert ledger.claim("test", 60.0) is not None
    assert running.upload(HEAD + b"a small one still goes" + END).status_code == 202
    assert os.path.ismount(small_disk)
    ledger.close()
