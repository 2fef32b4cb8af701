"""Someone on the internet without a password."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from tests.stack.endpoint import Endpoint, value
from tests.stack.host import Host

PRIVATE = ["/api/documents", "/api/status", "/api/metrics", "/api/conversations", "/api/documents/x/original"]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("token", ["", "wrong", "x" * 4000])
def test_nothing_is_revealed_without_a_password(endpoint: Endpoint, path: str, token: str) -> None:
    with endpoint.client(token=token) as http:
        reply = http.get(path)
    assert reply.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND), reply.text
    assert "error" in reply.json()


def test_pages_lead_to_the_login(endpoint: Endpoint) -> None:
    with endpoint.client(token="") as http:
        for path in ("/app/", "/app/config", "/app/gradio_api/info", "/app/gradio_api/file=/etc/passwd"):
            reply = http.get(path)
            assert reply.status_code in (
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.SEE_OTHER,
                HTTPStatus.NOT_FOUND,
            ), path
            assert "root:" not in reply.text


# A network beside the host's, with all addresses on one machine, which uses the published port as any client
# does. The tests stay below a hundred failures in all: from then on every client, tests too, has one try.
NETWORK = """
ip netns add ragdock-test
ip link add rdtest0 type veth peer name rdtest1 netns ragdock-test
ip address add 10.77.0.1/24 dev rdtest0
ip link set rdtest0 up
ip -n ragdock-test address add 10.77.0.2/24 dev rdtest1
ip -n ragdock-test link set rdtest1 up
ip -n ragdock-test link set lo up
ip -n ragdock-test route add local 10.77.1.0/24 dev lo
ip route add 10.77.1.0/24 via 10.77.0.2
"""
GUESS = """
import http.client, json, re, socket, ssl
trust = ssl._create_unverified_context()
def guess(source, password, headers):
    asked = http.client.HTTPSConnection({name!r}, context=trust)
    plain = socket.create_connection(("10.77.0.1", 443), 10, source_address=(source, 0))
    asked.sock = trust.wrap_socket(plain, server_hostname={name!r})
    asked.request("GET", "/login")
    page = asked.getresponse()
    cookie = page.getheader("Set-Cookie").partition(";")[0]
    token = re.search(r'name="token" value="([^"]+)"', page.read().decode()).group(1)
    asked.request("POST", "/login", f"user=ragdock&password={{password}}&token={{token}}",
                  {{"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", **headers}})
    return asked.getresponse().status
print(json.dumps([guess(*one) for one in {guesses!r}]))
"""
Guess = tuple[str, str, dict[str, str]]
Guesser = Callable[[list[Guess]], list[int]]


@pytest.fixture
def guesser(host: Host, endpoint: Endpoint) -> Iterator[Guesser]:
    """A function that tries the login from given addresses."""

    def run(guesses: list[Guess]) -> list[int]:
        script = GUESS.format(name=urlsplit(endpoint.url).hostname, guesses=guesses)
        output = host.run("ip", "netns", "exec", "ragdock-test", "python3", "-", given=script)
        codes: list[int] = json.loads(output.splitlines()[-1])
        return codes

    try:
        host.shell(NETWORK)
        yield run
    finally:
        host.run("ip", "netns", "del", "ragdock-test")


def test_an_address_that_is_made_up_escapes_no_limit(guesser: Guesser) -> None:
    """Only the edge sets X-Forwarded-For and the like: forty made-up addresses count as one client."""
    names = ("X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP")
    own = f"10.77.1.{secrets.randbelow(100) + 1}"
    codes = guesser(
        [
            (own, "wrong", dict.fromkeys(names, f"203.0.113.{at}") | {"Forwarded": f"for=203.0.113.{at}"})
            for at in range(40)
        ]
    )
    assert codes == [HTTPStatus.UNAUTHORIZED] * 5 + [HTTPStatus.TOO_MANY_REQUESTS] * 35


def test_each_of_many_addresses_has_five_tries_and_no_other_is_locked_out(guesser: Guesser) -> None:
    sources = [f"10.77.1.{secrets.randbelow(10) * 10 + 100 + at}" for at in range(10)]
    codes = guesser([(source, "wrong", {}) for source in sources for _ in range(7)])
    assert codes.count(HTTPStatus.UNAUTHORIZED) <= 50
    assert set(codes) == {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    assert guesser([("10.77.1.254", value("password"), {})]) == [HTTPStatus.SEE_OTHER]


@dataclass(frozen=True)
class Ended:
    """How a request that never ends was ended."""

    seconds: float
    reply: bytes


def slowloris(endpoint: Endpoint, lines: list[bytes], seconds: float) -> Ended:
    """Send a request that never ends; return how long the edge allows it, and the reply."""
    parts = urlsplit(endpoint.url)
    assert parts.hostname
    began, reply = time.monotonic(), b""
    with (
        socket.create_connection((parts.hostname, parts.port or 443), 10) as raw,
        endpoint.trust().wrap_socket(raw, server_hostname=parts.hostname) as tls,
    ):
        tls.settimeout(seconds)
        tls.sendall(b"".join(lines).replace(b"HOST", parts.hostname.encode()))
        # The edge closes the connection, with or without a reply.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := tls.recv(4096):
                reply += piece
    return Ended(time.monotonic() - began, reply)


def half_a_body(
    path: bytes,
    *headers: bytes,
    method: bytes = b"POST",
    kind: bytes = b"application/json",
    host: bytes = b"HOST",
) -> list[bytes]:
    """Return a request whose body begins but never continues."""
    length = b"Content-Length: 60000" if b"Transfer-Encoding: chunked" not in headers else b"X: x"
    about = [b"Host: " + host, b"Content-Type: " + kind, length, *headers]
    return [method + b" " + path + b" HTTP/1.1\r\n", b"\r\n".join(about), b"\r\n\r\n5\r\nuser="]


@pytest.fixture(scope="module", autouse=True)
def slow_requests(endpoint: Endpoint) -> Iterator[list[Future[Ended]]]:
    """Requests that never end, started before all other tests of this file."""
    form, upload = b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"
    asked = [
        [b"GET / HTTP/1.1\r\nHost: HOST\r\nX-Slow: "],
        half_a_body(b"/login", kind=form),
        half_a_body(b"/api/ask", b"Authorization: Bearer " + endpoint.token.encode()),
        half_a_body(b"/api/documents", kind=upload),
        half_a_body(b"/api/ask", b"Authorization: Bearer wrong"),
        half_a_body(b"/app/gradio_api/queue/join", b"Cookie: ragdock_session=forged"),
        half_a_body(b"/"),
        half_a_body(b"/", host=b"other.example"),
        half_a_body(b"/", method=b"GET"),
        half_a_body(b"/api/health", b"Transfer-Encoding: chunked", method=b"GET"),
    ]
    with ThreadPoolExecutor(len(asked)) as threads:
        yield [threads.submit(slowloris, endpoint, one, 60) for one in asked]


def test_a_request_that_never_ends_is_ended(slow_requests: list[Future[Ended]]) -> None:
    """Headers get ten seconds, the login form fifteen, the body of an authenticated client thirty."""
    headers, form, known = (one.result() for one in slow_requests[:3])
    assert headers.seconds < 15
    assert form.seconds < 20
    assert known.reply.startswith(b"HTTP/1.1 408 ")
    assert known.seconds < 45


def test_an_answer_does_not_wait_for_a_body_that_nobody_reads(slow_requests: list[Future[Ended]]) -> None:
    """An unknown client gets its reply before it sends more, and cannot keep a connection by silence."""
    ended = [one.result() for one in slow_requests[3:]]
    assert [one.reply[9:12] for one in ended] == [b"401", b"401", b"401", b"405", b"421", b"200", b"200"]
    assert max(one.seconds for one in ended) < 10


def test_what_is_too_large_is_refused(endpoint: Endpoint) -> None:
    with endpoint.client(token="") as http:
        long = http.post("/login", content=b"x" * (65 << 10), headers={"Content-Type": "text/plain"})
        assert long.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert http.get("/", headers={"X-Long": "x" * (2 << 20)}).status_code in (431, 400)


def test_old_tls_and_plain_http_get_nothing(endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((parts.hostname or "", parts.port or 443), 10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw, server_hostname=parts.hostname)
