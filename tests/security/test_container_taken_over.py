"""Someone who runs his own code in a container: he reaches what its service needs, and nothing else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.verify.networks import (
    NEEDS,
    NETWORKS,
    PORTS,
    WAY_OUT,
)
from sandbox import settings
from tests.security.conftest import Inside
from tests.stack.broken import FAULTS, failed, verified
from tests.stack.host import Host

CONNECT = """
import json, socket
from concurrent.futures import ThreadPoolExecutor
def reached(at):
    try:
        socket.create_connection(tuple(at), 2).close()
    except OSError:
        return False
    return True
targets = {targets}
with ThreadPoolExecutor(len(targets)) as threads:
    print(json.dumps([at for at, got in zip(targets, threads.map(reached, targets)) if got]))
"""
RESOLVE = """
import json, socket, struct
query = b"rd\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"\\4cafe\\7invalid\\0" + b"\\0\\1\\0\\1"
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(2)
try:
    asked.sendto(query, ("127.0.0.11", 53))
    print(json.dumps(asked.recv(512)[3] & 15))
except OSError as error:
    print(json.dumps(str(error)))
"""
SERVFAIL = 2
MODEL_REQUESTS = """
import http.client, json
def status(method, path, headers={{}}, body=None):
    asked = http.client.HTTPConnection({at!r}, 11434, timeout=20)
    asked.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        asked.putheader(name, value)
    if body is not None:
        asked.putheader("Content-Length", str(len(body)))
    asked.endheaders(body)
    reply = asked.getresponse()
    return reply.status, reply.read(300).decode(errors="replace")
print(json.dumps([status(*one) for one in {requests!r}]))
"""
BODY = b'{"model":"smollm2:135m"}'
REFUSED: list[tuple[Any, ...]] = [
    ("POST", "/api/pull", {}, BODY),
    ("POST", "/api/push", {}, BODY),
    ("POST", "/api/create", {}, BODY),
    ("POST", "/api/copy", {}, BODY),
    ("DELETE", "/api/delete", {}, BODY),
    ("POST", "/api/generate", {}, BODY),
    ("POST", "/api/embeddings", {}, BODY),
    ("POST", "/v1/chat/completions", {}, BODY),
    ("HEAD", "/api/blobs/sha256:" + "0" * 64),
    ("POST", "/api/blobs/sha256:" + "0" * 64, {}, b"x"),
    ("GET", "/"),
    # The same requests, disguised.
    ("POST", "//api/pull", {}, BODY),
    ("POST", "/API/PULL", {}, BODY),
    ("POST", "/api/%70ull", {}, BODY),
    ("POST", "/api/pull/", {}, BODY),
    ("POST", "/api/pull?x=/api/chat", {}, BODY),
    ("POST", "/api/chat/../pull", {}, BODY),
    ("POST", "/api/chat/%2e%2e/pull", {}, BODY),
    ("POST", "/api/pull/../chat", {}, BODY),
    ("POST", "/api/chat/", {}, BODY),
    ("POST", "/api/chat?", {}, BODY),
    ("POST", "/api/pull;/api/chat", {}, BODY),
    ("POST", "http://models:11434/api/pull", {}, BODY),
    ("GET", "/api/chat"),
    ("DELETE", "/api/tags"),
    ("POST", "/api/tags", {"X-HTTP-Method-Override": "DELETE"}, BODY),
    ("POST", "/api/pull", {"X-Original-URL": "/api/chat", "X-Rewrite-URL": "/api/chat"}, BODY),
    # A change to another protocol, in which the proxy would not read the requests.
    (
        "GET",
        "/api/tags",
        {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"},
    ),
    ("GET", "/api/ps", {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x" * 24}),
]
# Built in the script that sends it: otherwise a failure would print all of it.
LARGE = "[('POST', '/api/show', {{}}, b'{{\"model\":\"' + b'x' * (65 << 10))]"
ALLOWED: list[tuple[Any, ...]] = [
    ("GET", "/api/tags"),
    ("GET", "/api/ps"),
    ("GET", "/api/version"),
    ("POST", "/api/show", {}, b'{"model":"all-minilm"}'),
    ("POST", "/api/embed", {}, b'{"model":"all-minilm","input":["a lighthouse"]}'),
    ("POST", "/api/chat", {}, b'{"model":"smollm2:135m","stream":false,"options":{"num_predict":2},'
     b'"messages":[{"role":"user","content":"hello"}]}'),
]  # fmt: skip


Probe = dict[str, Any]


@pytest.fixture(scope="module")
def probed(inside: Inside, addresses: dict[str, list[str]]) -> dict[str, Probe]:
    """Map each service to what it reaches outside, its DNS answer, and the other services it reaches.

    All containers are probed at once, since each refused connection takes two seconds to time out.
    """
    here = settings.load()
    outside = [[str(here.aws_address), 5000], [str(here.registry_address), 443], ["169.254.169.254", 80]]
    gateways = [["172.28.0.1", 22], ["172.29.0.1", 22], ["172.29.1.1", 22], ["172.29.1.1", 443]]

    def probe(service: str) -> Probe:
        there = [
            (name, [at, port]) for name, port in PORTS.items() for at in addresses[name] if name != service
        ]
        got = inside(service, CONNECT.format(targets=[*outside, *gateways, *(at for _, at in there)]))
        return {
            "outside": [at for at in got if at in outside + gateways],
            "others": {name for name, at in there if at in got},
            "resolved": inside(service, RESOLVE),
        }

    with ThreadPoolExecutor(len(NETWORKS)) as threads:
        return dict(zip(NETWORKS, threads.map(probe, NETWORKS), strict=True))


@pytest.mark.parametrize("service", sorted(set(NETWORKS) - {WAY_OUT}))
def test_no_container_but_the_edge_gets_out(probed: dict[str, Probe], service: str) -> None:
    """Not to the AWS API, the registry, the metadata or the host, and not by a DNS query."""
    assert probed[service]["outside"] == []
    assert probed[service]["resolved"] == SERVFAIL


def test_the_edge_gets_out_but_not_to_the_metadata_or_the_host(probed: dict[str, Probe]) -> None:
    """This also shows that the addresses which the other containers try exist."""
    here = settings.load()
    reached = probed[WAY_OUT]["outside"]
    assert [str(here.aws_address), 5000] in reached
    assert [at for at in reached if at[0] == "169.254.169.254" or at[1] == 22] == []
    assert probed[WAY_OUT]["resolved"] != SERVFAIL


@pytest.mark.parametrize("service", sorted(NETWORKS))
def test_a_container_reaches_only_the_services_it_needs(probed: dict[str, Probe], service: str) -> None:
    reached = probed[service]["others"]
    assert {other for asker, other in NEEDS if asker == service} <= reached
    assert {name for name in reached if not NETWORKS[service] & NETWORKS[name]} == set()


@pytest.mark.parametrize("service", ["rag-app", "rag-worker"])
def test_models_cannot_be_pulled_changed_or_deleted(
    inside: Inside, addresses: dict[str, list[str]], service: str
) -> None:
    """A service can use only the part of Ollama's API that it needs, and the refusal names the rule."""
    (at,) = [one for one in addresses["models"] if one.rsplit(".", 1)[0] in
             {mine.rsplit(".", 1)[0] for mine in addresses[service]}]  # fmt: skip
    refused = inside(service, MODEL_REQUESTS.format(at=at, requests=REFUSED))
    assert {
        (one[0], one[1]): got[0] for one, got in zip(REFUSED, refused, strict=True) if got[0] != 403
    } == {}
    assert "Not allowed by the model proxy" in json.loads(refused[0][1])["error"]
    allowed = inside(service, MODEL_REQUESTS.format(at=at, requests=ALLOWED))
    assert [got for got in allowed if got[0] != 200] == []
    script = MODEL_REQUESTS.replace("{requests!r}", LARGE).format(at=at)
    assert inside(service, script)[0][0] == 413


def test_a_question_that_is_given_up_ends_the_models_work(
    host: Host, inside: Inside, addresses: dict[str, list[str]]
) -> None:
    """The proxy passes the disconnect on; otherwise a long answer would occupy the model for minutes."""
    script = """
    import json, socket
    body = json.dumps({{"model": "smollm2:135m", "options": {{"num_predict": 4000, "temperature": 2.0}},
                        "messages": [{{"role": "user", "content": "Count to ten thousand in words."}}]}})
    asked = socket.create_connection(({at!r}, 11434), 60)
    head = f"POST /api/chat HTTP/1.1\\r\\nHost: models\\r\\nContent-Length: {{len(body)}}\\r\\n\\r\\n"
    asked.sendall((head + body).encode())
    words = b""
    while words.count(b"content") < 10 and b'"done":true' not in words:
        words += asked.recv(4096)
    asked.close()
    print(json.dumps(b'"done":true' in words))
    """
    (at,) = [one for one in addresses["models"] if one.rsplit(".", 1)[0] in
             {mine.rsplit(".", 1)[0] for mine in addresses["rag-worker"]}]  # fmt: skip
    assert inside("rag-worker", script.format(at=at)) is False, "words are passed on as they come"
    host.wait("the model is at rest", lambda: processors(host, "ollama") < 0.2, 20)


def processors(host: Host, service: str) -> float:
    """Return how many processors a service's container uses."""
    (container,) = host.ids(service)
    shown = host.run("docker", "stats", "--no-stream", "--format", "{{.CPUPerc}}", container)
    return float(shown.strip().rstrip("%")) / 100


def test_verify_notices_a_container_that_gets_a_way_out(host: Host) -> None:
    """A check that has never failed verifies nothing."""
    name = host.inspect("landing")[0]["Name"].lstrip("/")
    outcome = verified().refused(f"{name}: {settings.load().aws_address}:5000 reached", "checks failed")
    assert FAULTS["a container that gets a way out"].fails <= failed(outcome)
