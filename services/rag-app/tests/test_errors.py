"""Every failure is one form with a stable code, and shows nothing of our insides."""

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
    assert app.state.backend.gate.length == 0


def test_full_line_is_503_with_a_time_to_return(make_settings: Callable[..., AppSettings]) -> None:
    app = build(make_settings(ask_slots=1, ask_waiting=0))
    ticket = app.state.backend.gate.enter()
    program = visitor(app)
    program.headers["Authorization"] = f"Bearer {TOKEN}"
    for accept in ("application/json", "text/event-stream"):
        response = program.post("/api/ask", json={"question": "x"}, headers={"Accept": accept})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
        assert int(response.headers["retry-after"]) > 0
    app.state.backend.gate.leave(ticket, None)
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
    app.state.backend.settings.release_file.write_text(json.dumps({"id": "20261123-1"}))
    assert api.get("/api/status").json()["release"] == "20261123-1"
