"""Nothing but the health check is answered without a token or a session."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.api.documents import router as documents
from rag_app.api.questions import router as questions

TOKEN_ROUTES = [
    (method, route.path)  # type: ignore[attr-defined]
    for router in (documents, questions)
    for route in router.routes
    for method in sorted(route.methods)  # type: ignore[attr-defined]
] + [
    ("GET", "/api/conversations"),
    ("POST", "/api/conversations"),
    ("GET", "/api/conversations/{conversation_id}"),
    ("GET", "/api/conversations/{conversation_id}/export"),
    ("DELETE", "/api/conversations/{conversation_id}"),
    ("PUT", "/api/exchanges/{exchange_id}/feedback"),
    ("GET", "/api/insights"),
    ("GET", "/api/metrics"),
    ("GET", "/api/status"),
]


def test_health_is_public_and_says_nothing(client: TestClient) -> None:
    assert client.get("/api/health").json() == {"status": "ok"}


def test_the_public_light_is_red_without_the_index_and_says_no_more(client: TestClient) -> None:
    assert client.get("/api/light").json() == {"light": "red"}
    assert client.get("/api/health").status_code == 200


@pytest.mark.parametrize(("method", "path"), TOKEN_ROUTES)
def test_every_other_route_wants_a_token(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path.replace("{document_id}", "x"), json={})
    assert response.status_code == 401, response.text
    assert response.json()["error"]["code"] == "not_logged_in"
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_table_above_knows_every_route(app: FastAPI) -> None:
    described = app.openapi()["paths"]
    listed = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert listed == {*TOKEN_ROUTES, ("GET", "/api/health"), ("GET", "/api/light")}


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic abc", "token-for-programs-0123456789"])
def test_wrong_tokens_are_refused(client: TestClient, header: str) -> None:
    assert client.get("/api/documents", headers={"Authorization": header}).status_code == 401


def test_token_opens_the_api(api: TestClient) -> None:
    assert api.get("/api/documents").json() == {"documents": []}


@pytest.mark.parametrize(
    "path", ["/app", "/app/", "/app/config", "/app/gradio_api/info", "/app/assets/x.js", "/app/theme.css"]
)
def test_pages_are_closed_and_lead_browsers_to_the_login(client: TestClient, path: str) -> None:
    browser = client.get(path, headers={"Accept": "text/html"})
    assert browser.status_code == 303
    assert browser.headers["location"] == f"/login?next={path}"
    assert client.get(path, headers={"Accept": "application/json"}).status_code == 401


def test_token_does_not_open_the_pages(api: TestClient) -> None:
    """Gradio's own API must not become a second, undocumented API."""
    assert api.get("/app/config", headers={"Accept": "application/json"}).status_code == 401


def test_description_is_served(client: TestClient) -> None:
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Ragdock"
