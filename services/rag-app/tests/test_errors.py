"""Every failure has one format and a stable code, and reveals no internals."""

import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.settings import AppSettings

from .conftest import TOKEN, build, visitor


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/ask", 405, "method_not_allowed"),
        ("GET", "/api/documents/unknown", 404, "document_not_found"),
        ("POST", "/api/ask", 422, "invalid_request"),
    ],
)
def test_errors_have_one_form(api: TestClient, method: str, path: str, status: int, code: str) -> None:
    response = api.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [{"question": ""}, {"question": "   "}, {"question": "x" * 2001}, {"query": "x"}, {"question": 7}]
)
def test_bad_questions_are_named_and_not_repeated(api: TestClient, body: dict[str, object]) -> None:
    response = api.post("/api/ask", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")
    assert "xxxx" not in response.text


@pytest.mark.parametrize("path", ["/api/search", "/api/ask"])
def test_index_out_of_reach_is_503_with_a_time_to_return(api: TestClient, path: str) -> None:
    body = {"query": "x"} if path == "/api/search" else {"question": "x"}
    response = api.post(path, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "opensearch_unavailable")
    assert int(response.headers["retry-after"]) > 0


def test_stream_ends_with_its_error_and_frees_its_place(app: FastAPI, api: TestClient) -> None:
    response = api.post("/api/ask", json={"question": "x"}, headers={"Accept": "text/event-stream"})
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = response.text.split()
    assert lines[:2] == ["event:", "error"]
    data = response.text.split("data: ", 1)[1].splitlines()[0]
    assert json.loads(data)["code"] == "opensearch_unavailable"
    assert app.state.backend.routes.length == 0


def test_full_line_is_503_with_a_time_to_return(make_settings: Callable[..., AppSettings]) -> None:
    app = build(make_settings(ask_slots=1, ask_waiting=0))
    ticket = app.state.backend.routes.here.enter()
    program = visitor(app)
    program.headers["Authorization"] = f"Bearer {TOKEN}"
    for accept in ("application/json", "text/event-stream"):
        response = program.post("/api/ask", json={"question": "x"}, headers={"Accept": accept})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
        assert int(response.headers["retry-after"]) > 0
    app.state.backend.routes.here.leave(ticket, None)
    assert (
        program.post("/api/ask", json={"question": "x"}).json()["error"]["code"] == "opensearch_unavailable"
    )


def test_surprise_shows_no_traceback(app: FastAPI, api: TestClient) -> None:
    @app.get("/api/surprise", include_in_schema=False)
    def surprise() -> None:
        raise ZeroDivisionError("secret detail")

    response = api.get("/api/surprise")
    app.router.routes.pop()
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text


def test_status_is_honest_about_what_is_away(api: TestClient) -> None:
    status = api.get("/api/status").json()
    assert status["status"] == "red"
    assert status["opensearch"]["state"] == "red"
    assert status["ollama"]["state"] == "red"
    assert status["opensearch"]["detail"]
    assert status["documents"] == {"queued": 0, "processing": 0, "ready": 0, "failed": 0}
    assert status["index_contract"] is None
    assert status["release"] == "unknown"


def test_status_names_the_release(app: FastAPI, api: TestClient) -> None:
    written = app.state.backend.settings.release_file
    for record, version in (
        ({"id": "20261123-1", "version": "0.2.0"}, "0.2.0"),
        ({"id": "20261123-1"}, "unknown"),
    ):
        written.write_text(json.dumps(record))
        status = api.get("/api/status").json()
        assert (status["release"], status["version"]) == ("20261123-1", version)


GARBLED_IDS = [
    "unknown",
    "%00",
    "%0A%0D",
    "..%2F..%2Fetc%2Fpasswd",
    "..",
    "%ff%fe",
    "%ED%A0%80",
    "%F0%9F%92%A9",
    "\u0130",
    "%27%20OR%201=1--",
    "%25s%25n",
    "-1",
    "1e999",
    "null",
    "[]",
    "x" * 5000,
    "0" * 24,
    "0123456789abcdef",
]
BODIES = {
    "surrogate": rb'{"question": "\ud800", "query": "\ud800", "title": "\ud800", "tags": ["\ud800"]}',
    "one surrogate in a title": rb'{"title": "\udfff"}',
    "one surrogate in a tag": rb'{"tags": ["\udfff"]}',
    "one surrogate in a question": rb'{"question": "\udfff"}',
    "one surrogate in a query": rb'{"query": "\udfff"}',
    "surrogate in an id": rb'{"question": "x", "conversation": "\ud800"}',
    "surrogate in a filter": rb'{"query": "x", "filters": {"documents": ["\ud800"], "tags": ["\ud800"]}}',
    "surrogate as a name": rb'{"\ud800": 1}',
    "null character": rb'{"title": "a\u0000b", "feedback": "up\u0000"}',
    "deep": b'{"tags":' + b"[" * 100_000,
    "deep and closed": b'{"tags":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "long number": b'{"top_k": ' + b"9" * 5_000 + b', "query": "x"}',
    "no number": b'{"top_k": NaN, "timeout": Infinity, "query": "x"}',
    "no JSON": b"\xff\xfe{",
    "empty": b"",
    "list": b"[]",
    "other charset": '{"title": "\u00e9"}'.encode("utf-16"),
    "twice": b'{"title": "a", "title": 7}',
}


def operations(api: TestClient) -> list[tuple[str, str]]:
    """Every operation in the API's own OpenAPI document."""
    paths = api.get("/api/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, found in paths.items() for method in found]


@pytest.mark.parametrize("garbled", GARBLED_IDS)
def test_no_id_makes_the_app_fail(api: TestClient, garbled: str) -> None:
    bodies = {"tags": {"tags": []}, "feedback": {"feedback": "up"}}
    tried = 0
    for method, path in operations(api):
        if "{" not in path:
            continue
        asked = "/".join(garbled if part.startswith("{") else part for part in path.split("/"))
        response = api.request(method, asked, json=bodies.get(path.rsplit("/", 1)[1]))
        assert response.status_code in {307, 404, 405}, (method, path, response.text)
        tried += 1
    assert tried > 6


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_makes_the_app_fail(api: TestClient, body: bytes) -> None:
    talk = api.post("/api/conversations", json={"title": "x"}).json()["id"]
    for method, path in operations(api):
        if method not in {"GET", "DELETE"}:
            asked = path.replace("{document_id}", "d").replace("{exchange_id}", talk)
            response = api.request(method, asked, content=body, headers={"Content-Type": "application/json"})
            # There is no index here, so 503 is allowed.
            assert response.status_code != 500, (method, path, response.text)
            assert response.status_code < 500 or response.json()["error"]["code"] == "opensearch_unavailable"


@pytest.mark.parametrize(
    "query",
    [
        "search=%00",
        "search=%ED%A0%80",
        "search=%25_%27",
        "limit=1e3",
        "limit=-1",
        "limit=99999999999999999999",
        "offset=99999999999999999999",
        "state=gone",
        "state=deleting",
        "days=0",
        "days=99999999",
        "search=" + "x" * 201,
    ],
)
def test_no_query_makes_the_app_fail(api: TestClient, query: str) -> None:
    for path in ("/api/documents", "/api/conversations", "/api/insights"):
        assert api.get(f"{path}?{query}").status_code in {200, 422}


@pytest.mark.parametrize("talk", ["unknown", "0123456789abcdef"])
def test_export_of_an_unknown_conversation_says_so(api: TestClient, talk: str) -> None:
    response = api.get(f"/api/conversations/{talk}/export")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "conversation_not_found")


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00Z", 503),
        ("0001-01-01T00:00:00+14:00", 503),
        ("9999-12-31T23:59:59.999999Z", 503),
        ("9999-12-31T23:59:59-14:00", 503),
        ("0000-01-01T00:00:00Z", 422),
        ("10000-01-01T00:00:00Z", 422),
        ("2026-02-30T00:00:00Z", 422),
        ("2026-01-01T24:00:01Z", 422),
        ("2026-01-01T00:00:00+24:00", 422),
        (1e300, 422),
        ([], 422),
    ],
)
def test_no_date_makes_the_app_fail(api: TestClient, moment: object, status: int) -> None:
    """Each valid time gets as far as the index, which cannot be reached here."""
    for name in ("added_from", "added_to"):
        for path, field in (("/api/search", "query"), ("/api/ask", "question")):
            response = api.post(path, json={field: "x", "filters": {name: moment}})
            assert response.status_code == status, response.text
