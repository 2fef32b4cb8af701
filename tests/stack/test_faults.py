"""A service dies: users are informed, nothing is lost, and it recovers by itself."""

from __future__ import annotations

import time
from http import HTTPStatus

from tests.stack import papers
from tests.stack.endpoint import ApiClient, asking
from tests.stack.host import Host
from tests.stack.soak import fault

pytestmark = fault
BACK_SECONDS = 240.0


def test_a_worker_killed_in_mid_document_continues(
    api: ApiClient, host: Host, bin_of_documents: list[str]
) -> None:
    """The document is neither lost nor duplicated, and the one behind it is not blocked."""
    long = api.brought("killed.pdf", papers.long())
    bin_of_documents.append(long)
    api.until(long, lambda one: one["state"] == "processing", 60)
    time.sleep(3)
    before = host.inspect("rag-worker")[0]
    host.crash("rag-worker")
    keyword = papers.word()
    bin_of_documents.append(api.brought("behind.md", papers.good("md", keyword)))
    document = api.ready(long, seconds=600)
    assert document["pages"] == papers.LONG_PAGES
    api.ready(bin_of_documents[-1], seconds=600)
    after = host.inspect("rag-worker")[0]
    assert after["State"]["Pid"] != before["State"]["Pid"], "the worker was never killed"


def test_without_opensearch_users_are_informed_and_it_recovers(api: ApiClient, host: Host) -> None:
    """The reply reports the outage at once, the pages stay up, and nothing has to be restarted."""
    container = host.inspect("opensearch")[0]["Name"].lstrip("/")
    host.run("docker", "stop", container)
    try:
        began = time.monotonic()
        reply = api.http.post("/api/ask", json=asking("Who built the lighthouse?"))
        assert time.monotonic() - began < 60
        assert reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE, reply.text
        assert reply.json()["error"]["code"] == "opensearch_unavailable"
        assert int(reply.headers["retry-after"]) > 0
        assert api.http.get("/api/health").status_code == HTTPStatus.OK
        assert api.http.get("/").status_code == HTTPStatus.OK
        waiting = api.brought("meanwhile.md", papers.good("md", papers.word()))
    finally:
        host.run("docker", "start", container)
        host.wait("OpenSearch is healthy again", lambda: host.healthy("opensearch"), BACK_SECONDS)
    api.ready(waiting, seconds=BACK_SECONDS)
    api.delete(waiting)
    assert api.http.post("/api/ask", json=asking("Who built the lighthouse?")).status_code == HTTPStatus.OK


def test_without_ollama_search_by_word_still_answers_or_says_why(api: ApiClient, host: Host) -> None:
    """Without a model the answer is marked as degraded or refused with a code; it never hangs."""
    container = host.inspect("ollama")[0]["Name"].lstrip("/")
    host.run("docker", "stop", container)
    try:
        began = time.monotonic()
        reply = api.http.post("/api/ask", json=asking("Who built the lighthouse?"))
        assert time.monotonic() - began < 60
        if reply.status_code == HTTPStatus.OK:
            assert reply.json()["degraded"], reply.text
            assert reply.json()["reason"]
        else:
            assert reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE, reply.text
            assert reply.json()["error"]["code"] == "ollama_unavailable"
    finally:
        host.run("docker", "start", container)
        host.wait("Ollama is healthy again", lambda: host.healthy("ollama"), BACK_SECONDS)
    assert api.http.post("/api/ask", json=asking("Who built the lighthouse?")).status_code == HTTPStatus.OK


def test_a_crashed_app_comes_back(api: ApiClient, host: Host) -> None:
    """The engine restarts it; the edge waits a little for it instead of failing at once."""
    before = host.inspect("rag-app")[0]["State"]["Pid"]
    host.crash("rag-app")
    host.wait("rag-app is healthy again", lambda: host.healthy("rag-app"), 120)
    assert api.status()["release"]
    assert host.inspect("rag-app")[0]["State"]["Pid"] != before
