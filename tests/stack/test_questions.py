"""Search, answers, streams, and who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from tests.stack import papers
from tests.stack.endpoint import ApiClient, Endpoint, asking

MOST_IN_LINE = 30
"""More than the stack lets wait."""
PROTECTED = [
    ("GET", "/api/documents"),
    ("POST", "/api/documents"),
    ("GET", "/api/documents/x"),
    ("DELETE", "/api/documents/x"),
    ("POST", "/api/search"),
    ("POST", "/api/ask"),
    ("GET", "/api/status"),
    ("GET", "/api/conversations"),
    ("GET", "/api/insights"),
    ("GET", "/api/metrics"),
]


@pytest.fixture(scope="module")
def keyword(api: ApiClient) -> Iterator[str]:
    """The keyword of a document that is ready."""
    made = papers.word()
    identity = api.brought(f"{made}.md", papers.good("md", made))
    api.ready(identity)
    yield made
    api.delete(identity)


def test_an_answer_cites_its_passage(api: ApiClient, keyword: str) -> None:
    """The citation is attached by code: document, pages and passage are those of the index."""
    answer = api.ask(f"Who built the lighthouse of {keyword}?")
    assert answer["answer"].strip()
    assert not answer["degraded"], answer["reason"]
    cited = [one for one in answer["citations"] if keyword in one["document"]]
    assert cited, answer
    assert "Ada Brunn" in cited[0]["passage"]
    assert answer["timings"]["total"] > 0


def test_a_stream_ends_with_the_whole_answer(api: ApiClient, keyword: str) -> None:
    """retrieved with quotes, tokens, done: in this order, and done carries the citations."""
    events = list(api.stream(f"Who built the lighthouse of {keyword}?"))
    names = [name for name, _ in events if name != "waiting"]
    assert names[0] == "retrieved"
    assert any("Ada Brunn" in quote["text"] for quote in events[0][1]["quotes"])
    assert names[-1] == "done"
    assert "token" in names
    assert any(keyword in one["document"] for one in events[-1][1]["citations"])


def test_the_same_question_is_answered_from_memory_and_says_so(api: ApiClient, keyword: str) -> None:
    """The cache holds until a document changes; the metrics count both answers."""
    body = {"question": f"How many steps has the lighthouse of {keyword}?"}
    first, again = (api.http.post("/api/ask", json=body).json() for _ in range(2))
    if first["reason"] == "cut_by_time":
        pytest.skip("the machine is too slow just now for a whole answer")
    assert (first["cached"], again["cached"]) == (False, True)
    assert again["answer"] == first["answer"]
    assert first["explain"]["passages"][0]["words"]
    assert 'cached="true"' in api.http.get("/api/metrics").text


def test_a_full_queue_sends_retry_after(api: ApiClient, keyword: str) -> None:
    """A queued question gets its place in the queue; one too many gets the seconds until a retry."""
    headers = {"Accept": "text/event-stream"}
    question = f"Tell all about the lighthouse of {keyword}, at length."
    with ExitStack() as line, api.endpoint.client() as client:
        for number in range(MOST_IN_LINE):
            body = asking(f"{question} {number}")
            reply = line.enter_context(client.stream("POST", "/api/ask", json=body, headers=headers))
            if reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                break
            assert reply.status_code == HTTPStatus.OK
            if number == 1:
                # The passages found come first, then the place in the queue.
                events = (one for one in reply.iter_lines() if one.startswith("event:"))
                assert [next(events), next(events)] == ["event: retrieved", "event: waiting"]
        assert reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_IN_LINE} questions were taken"
        assert int(reply.headers["retry-after"]) >= 1
        assert "busy" in reply.read().decode()


def test_nothing_is_made_up_about_what_no_document_says(api: ApiClient) -> None:
    """A question that is far from every document gets no citation, and the answer says so."""
    answer = api.ask("zxqv wvut jkpl?")
    assert not answer["citations"]
    assert answer["reason"] == "no_relevant_passage"


@pytest.mark.parametrize("question", ["", "   ", "x" * 100_000])
def test_a_question_that_cannot_be_answered_is_refused(api: ApiClient, question: str) -> None:
    """Empty or far too long: 422 with a message, not a timeout."""
    reply = api.http.post("/api/ask", json={"question": question})
    assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, reply.text
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize("token", ["", "wrong", "Bearer"])
def test_a_stranger_is_refused(endpoint: Endpoint, method: str, path: str, token: str) -> None:
    """Every route except health; the reply shows no document."""
    with endpoint.client(token=token) as stranger:
        reply = stranger.request(method, path)
    assert reply.status_code == HTTPStatus.UNAUTHORIZED
    assert reply.json()["error"]["code"] == "not_logged_in"


def test_health_is_public_and_says_nothing(endpoint: Endpoint) -> None:
    """No version, no path, no model: it is for machines."""
    with endpoint.client(token="") as stranger:
        reply = stranger.get("/api/health")
    assert reply.status_code == HTTPStatus.OK
    assert len(reply.content) < 100


def test_status_names_the_release_and_the_models(api: ApiClient) -> None:
    """What an operator needs to know first."""
    status = api.status()
    assert status["release"]
    assert set(status["documents"]) == {"queued", "processing", "ready", "failed"}
    assert status["models"]
    assert all(status["models"].values()), status["models"]


def test_the_api_is_documented(api: ApiClient) -> None:
    """Every route of the public API is in the OpenAPI document."""
    paths = api.http.get("/api/openapi.json").json()["paths"]
    promised = {path.replace("/x", "/{document_id}") for _, path in PROTECTED} | {"/api/health"}
    assert promised <= set(paths), promised - set(paths)


def test_plain_http_is_sent_to_https(endpoint: Endpoint) -> None:
    """HTTPS replies carry Strict-Transport-Security."""
    with endpoint.client(token="") as stranger:
        plain = stranger.get(endpoint.url.replace("https://", "http://"), follow_redirects=False)
        assert plain.status_code in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT)
        assert plain.headers["location"].startswith("https://")
        assert "max-age=" in stranger.get("/").headers["strict-transport-security"]
